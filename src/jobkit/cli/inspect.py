"""`jobkit inspect`: what is in a store."""

from __future__ import annotations

from jobkit.runtime.documents import job_document
from jobkit.runtime.repository import Repository

from .output import is_piped, print_json, show
from .session import open_without_code


def show_job(job_id: str, *, json: bool, store: str) -> None:
    """Run `jobkit inspect job`."""
    with open_without_code(store, job_id) as session:
        repository = Repository(session.store.store.tables)
        chain = repository.get_chain(repository.resolve_job_id(job_id))
        progress = repository.open_progress(chain)
        audits = repository.audits(chain.job.job_id)
        if json:
            print_json(job_document(chain, progress, audits=audits))
            return
        from jobkit.views.job import job_view

        show(job_view(chain, progress, audits=audits, whole=is_piped()))
