"""`jobkit inspect job`: one job looked at closely."""

from __future__ import annotations

from jobkit.runtime.documents import job_document
from jobkit.runtime.inspected_documents import inspected_document
from jobkit.runtime.inspection import Inspection
from jobkit.runtime.timeline import timeline_document
from jobkit.runtime.timeline_reading import TimelineReading
from jobkit.views.verdict import verdict_of

from .screens import Frame, How, exit_code, present
from .session import Session, open_without_code
from .stores import store_option


def show_job(job_id: str, how: How, *, timeline: bool, store: str) -> None:
    """Run `jobkit inspect job`."""
    how.check()
    with open_without_code(store) as session:
        if timeline:
            _show_timeline(session, job_id, how)
            return
        inspection = _inspection(session, job_id, store)

        def read() -> Frame:
            from jobkit.views.inspection import inspection_view

            found = inspection.read()
            job, sentence = found.chain.job, verdict_of(found)
            return Frame(
                view=lambda whole: inspection_view(found, whole=whole),
                document=lambda: inspected_document(found, sentence),
                line=f"{job.job_type} {sentence}",
                ended=exit_code(job),
            )

        present(read, how, title=f"jobkit inspect job {job_id}")


def _inspection(session: Session, job_id: str, store: str) -> Inspection:
    service = session.service(lambda _: None)
    whole_id = service.repository.resolve_job_id(job_id)
    return Inspection(service, session.store.store.queues, whole_id, living=session.living, options=store_option(store))


def _show_timeline(session: Session, job_id: str, how: How) -> None:
    service = session.service(lambda _: None)
    whole_id = service.repository.resolve_job_id(job_id)

    reading = TimelineReading(service.repository)

    def read() -> Frame:
        from jobkit.views.timeline import timeline_view
        from jobkit.views.timeline_words import timeline_words

        chain = service.repository.get_chain(whole_id)
        timeline = reading.read(chain, service.clock.now())
        return Frame(
            view=lambda _: timeline_view(timeline),
            document=lambda: job_document(chain) | {"timeline": timeline_document(timeline, timeline_words(timeline))},
            line=f"{chain.job.job_type} {chain.job.status}, stage {chain.latest_stage.number}",
            ended=exit_code(chain.job),
        )

    present(read, how, title=f"jobkit inspect job {job_id} --timeline")
