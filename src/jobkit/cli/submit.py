"""`jobkit submit`: put a job into the store and return."""

from __future__ import annotations

from collections.abc import Sequence

from jobkit.runtime.documents import job_document

from .jobargs import JobArguments, run_job_command
from .output import print_json, write_out
from .session import open_session


def main(arguments: Sequence[str]) -> None:
    """Run `jobkit submit`."""
    run_job_command("submit", arguments, (), _submit)


def _submit(arguments: JobArguments) -> None:
    with open_session(arguments.store, project=arguments.project, loaded=arguments.loaded) as session:
        service = session.service(lambda _: None)
        submitted = arguments.submit(service)
        job = submitted.chain.job
        if arguments.json:
            print_json(job_document(service.repository.get_chain(job.job_id)))
            return
        verb = "created" if submitted.created else f"already there, {job.status.value}"
        waits = "" if job.status.ended else f"It waits for an instance: jobkit worker{arguments.store_option}\n"
        write_out(f"job {job.job_id} {verb}\n{waits}")
