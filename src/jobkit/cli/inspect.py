"""`jobkit inspect`: what is in a store."""

from __future__ import annotations

from jobkit.runtime.documents import job_document
from jobkit.runtime.errors import UnknownJob
from jobkit.runtime.model import StageState
from jobkit.runtime.repository import Repository

from .output import out, print_json
from .session import here, open_session, store_path


def show_job(job_id: str, *, json: bool, store: str) -> None:
    """Run `jobkit inspect job`."""
    project = here()
    path = store_path(store, project)
    if not path.exists():
        raise UnknownJob(job_id=job_id)
    with open_session(store, project=project) as session:
        repository = Repository(session.store.tables)
        chain = repository.get_chain(repository.resolve_job_id(job_id))
        progress = {
            stage.number: repository.progress(stage) for stage in chain.stages if stage.state is StageState.SEALED
        }
        if json:
            print_json(job_document(chain, progress))
            return
        from jobkit.views.job import job_view

        console = out()
        console.print(job_view(chain, progress, whole=not console.is_terminal))
