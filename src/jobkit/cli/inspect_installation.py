"""`jobkit inspect`, `inspect jobs` and `inspect queues`: what is in a whole store."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from jobkit.runtime.clock import SystemClock
from jobkit.runtime.concerns import find_concerns
from jobkit.runtime.figures import counted
from jobkit.runtime.inspected import Diagnosis
from jobkit.runtime.inspection import Inspection
from jobkit.runtime.installation import Glance
from jobkit.runtime.installation_documents import installation_document, jobs_document, queues_document
from jobkit.runtime.listing import find_line, list_jobs, read_order
from jobkit.runtime.overview import Order
from jobkit.runtime.processing import QUEUES
from jobkit.runtime.queue_look import look_at_queue
from jobkit.runtime.repository import Repository

from .choosing import JobFilter
from .screens import Frame, How, present
from .session import open_without_code
from .stores import store_option


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(JobFilter):
    """What `inspect jobs` was asked for, as it was typed."""

    sort: str = Order.CREATED.value
    reverse: bool = False
    limit: int = 20
    after: str | None = None

    def command(self, *, after: str, store: str) -> str:
        """Return the command that shows what comes after a job."""
        words = ["jobkit", "inspect", "jobs", *self.words]
        words += ["--sort", self.sort] if self.sort != Order.CREATED else []
        words += ["--reverse"] if self.reverse else []
        words += ["--limit", str(self.limit)] if self.limit != Filter().limit else []
        return shlex.join([*words, "--after", after]) + store_option(store)


def show_installation(*, how: How, store: str) -> None:
    """Run `jobkit inspect`."""
    how.check()
    clock = SystemClock()
    with open_without_code(store) as session:
        service, queues = session.service(lambda _: None), session.store.store.queues
        glance = Glance(service.repository, queues, each=session.store.each)

        def diagnose(job_id: str) -> Diagnosis:
            return Inspection(service, queues, job_id, living=session.living, options=store_option(store)).diagnose()

        def read() -> Frame:
            found = glance.read(clock.now(), living=None if session.living is None else session.living())
            worries = list(find_concerns(found, diagnose=diagnose, store=store_option(store)))
            from jobkit.views.installation import installation_line, installation_view

            return Frame(
                view=lambda whole: installation_view(found, worries, place=session.place, whole=whole),
                document=lambda: installation_document(found, worries),
                line=installation_line(found, worries),
            )

        present(read, how, title="jobkit inspect")


def show_jobs(wanted: Filter, *, how: How, store: str) -> None:
    """Run `jobkit inspect jobs`."""
    how.check()
    order = read_order(wanted.sort)
    clock = SystemClock()
    with open_without_code(store) as session:
        repository = Repository(session.store.store.tables)
        after = None
        if wanted.after is not None:
            after = find_line(repository, repository.resolve_job_id(wanted.after))

        def read() -> Frame:
            now = clock.now()
            page = list_jobs(
                repository,
                wanted.selection(now),
                each=session.store.each,
                now=now,
                limit=wanted.limit,
                order=order,
                reverse=wanted.reverse,
                after=after,
            )
            command = None if page.after is None else wanted.command(after=page.after[:12], store=store)
            from jobkit.views.jobs import jobs_view

            return Frame(
                view=lambda whole: jobs_view(
                    page, now=now, next_command=command, options=store_option(store), whole=whole
                ),
                document=lambda: jobs_document(page),
                line=counted(len(page.lines), "job"),
            )

        present(read, how, title="jobkit inspect jobs")


def show_queues(*, peek: int, how: How, store: str) -> None:
    """Run `jobkit inspect queues`."""
    how.check()
    clock = SystemClock()
    with open_without_code(store) as session:

        def read() -> Frame:
            looks = [look_at_queue(session.store.store.queues, name) for name in QUEUES]
            now = clock.now()
            from jobkit.views.queues import queues_view

            return Frame(
                view=lambda whole: queues_view(looks, now=now, peek=peek, whole=whole),
                document=lambda: queues_document(looks, peek=peek),
                line=", ".join(f"{look.name} {look.messages:,}" for look in looks),
            )

        present(read, how, title="jobkit inspect queues")
