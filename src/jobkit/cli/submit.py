"""`jobkit submit`: put a job into the store and return."""

from __future__ import annotations

import shlex
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
        submitted = arguments.submit(session.service(lambda _: None))
        job = submitted.chain.job
        if arguments.json:
            print_json(job_document(session.service(lambda _: None).repository.get_chain(job.job_id)))
            return
        verb = "created" if submitted.created else f"already there, {job.status.value}"
        store = "" if arguments.store == "local" else f" --store {shlex.quote(arguments.store)}"
        waits = "" if job.status.ended else f"It waits for an instance: jobkit worker{store}\n"
        write_out(f"job {job.job_id} {verb}\n{waits}")
