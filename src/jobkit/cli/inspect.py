"""`jobkit inspect`: what is in a store."""

from __future__ import annotations

from pathlib import Path

from jobkit.runtime.documents import job_document
from jobkit.runtime.errors import UnknownJob
from jobkit.runtime.loader import Loaded
from jobkit.runtime.model import StageState
from jobkit.runtime.registry import Registry
from jobkit.runtime.repository import Repository

from .output import is_piped, print_json, show
from .session import here, open_session, store_path


def show_job(job_id: str, *, json: bool, store: str) -> None:
    """Run `jobkit inspect job`."""
    project = here()
    if _is_missing(store_path(store, project)):
        raise UnknownJob(job_id=job_id)
    nothing = Loaded(registry=Registry(), problems=())  # to look at a job takes none of the project's code
    with open_session(store, project=project, loaded=nothing) as session:
        repository = Repository(session.store.tables)
        chain = repository.get_chain(repository.resolve_job_id(job_id))
        progress = {
            stage.number: repository.progress(stage) for stage in chain.stages if stage.state is StageState.SEALED
        }
        if json:
            print_json(job_document(chain, progress))
            return
        from jobkit.views.job import job_view

        show(job_view(chain, progress, whole=is_piped()))


def _is_missing(path: Path) -> bool:
    try:
        return not path.exists()
    except OSError:
        return False  # opening it says what is wrong
