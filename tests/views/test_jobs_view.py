"""A page of jobs, letter for letter."""

from __future__ import annotations

import pytest
from rich.console import RenderableType

from jobkit.runtime.errors import RowDamaged, StoreTooNew
from jobkit.runtime.model import Failure, JobRecord, Status
from jobkit.runtime.overview import Page
from jobkit.runtime.unread import Unread
from jobkit.views.jobs import jobs_view
from records import after, job, screen


def one(number: int, **changes: object) -> JobRecord:
    """A job with an id of its own."""
    return job(job_id=f"{number:x}" * 32, **changes)


FAILED = Failure(type="StageFailed", message="2 of 10 tasks of stage 1 'Cut' failed: TileBroken: tile 3 is broken")
JOBS = (
    one(1, status=Status.QUEUED, stage=1, created_at=after(595), updated_at=after(595)),
    one(2, status=Status.PROCESSING, stage=2, job_type="validate_every_raster_of_all", created_at=after(300)),
    one(3, status=Status.PROCESSING),
    one(4),
    one(5, status=Status.FAILED, error=FAILED, updated_at=after(3)),
    one(
        6,
        status=Status.FAILED,
        error=Failure(type="KeyError", message="'\x1b[31mname'\nand more"),
        updated_at=after(1),
    ),
)
UNREAD = Unread(
    job_id="7" * 32,
    job_type="tiles",
    created_at=after(0),
    error=RowDamaged(partition="7" * 32, row="job", reason="it has no 'epoch'"),
)
UNKNOWN = Unread(job_id="8" * 32, job_type=None, created_at=None, error=StoreTooNew(store="row", found=2, known=1))
PAGES: dict[str, tuple[Page, str | None]] = {
    "nothing": (Page(lines=(), after=None), None),
    "the last page": (Page(lines=JOBS, after=None), None),
    "a page": (
        Page(lines=(UNREAD, JOBS[4], UNKNOWN), after="5" * 32),
        "jobkit inspect jobs --status failed --after 555555555555",
    ),
}


def shown(name: str, *, whole: bool = False) -> RenderableType:
    page, command = PAGES[name]
    return jobs_view(page, now=after(600), next_command=command, whole=whole)


SCREENS: dict[tuple[str, tuple[int, ...]], str] = {
    ("nothing", (80, 120)): """
No job matches.
""",
    ("the last page", (80,)): """
id            type                      status      created            took
111111111111  tiles                     queued      5 s ago          5.00 s
222222222222  validate_every_raster_o…  processing  5 min ago    5 min 00 s
333333333333  tiles                     processing  10 min ago  10 min 00 s
444444444444  tiles                     completed   10 min ago   1 min 36 s
555555555555  tiles                     failed      10 min ago       3.00 s
    2 of 10 tasks of stage 1 'Cut' failed: TileBroken: tile 3 is broken
666666666666  tiles                     failed      10 min ago       1.00 s
    KeyError: '�[31mname'
""",
    ("the last page", (120,)): """
id            type                      status      stage  created            took  error, or parameters
111111111111  tiles                     queued        1/2  5 s ago          5.00 s  {"width":5000,"tile_px":512}
222222222222  validate_every_raster_o…  processing    2/2  5 min ago    5 min 00 s  {"width":5000,"tile_px":512}
333333333333  tiles                     processing    2/2  10 min ago  10 min 00 s  {"width":5000,"tile_px":512}
444444444444  tiles                     completed       2  10 min ago   1 min 36 s  {"width":5000,"tile_px":512}
555555555555  tiles                     failed          2  10 min ago       3.00 s
    2 of 10 tasks of stage 1 'Cut' failed: TileBroken: tile 3 is broken
666666666666  tiles                     failed          2  10 min ago       1.00 s  KeyError: '�[31mname'
""",
    ("a page", (80,)): """
id            type   status         created       took
777777777777  tiles  can't be read  10 min ago
    store row 77777777777777777777777777777777 / job: it is damaged: it has no
    'epoch'
555555555555  tiles  failed         10 min ago  3.00 s
    2 of 10 tasks of stage 1 'Cut' failed: TileBroken: tile 3 is broken
888888888888  ?      can't be read  ?
    store row: it has schema version 2, this jobkit knows 1 at most. Upgrade
    jobkit.

What is broken about a job that can't be read: jobkit doctor --job ID

Next page: jobkit inspect jobs --status failed --after 555555555555
""",
    ("a page", (120,)): """
id            type   status         stage  created       took  error, or parameters
777777777777  tiles  can't be read         10 min ago
    store row 77777777777777777777777777777777 / job: it is damaged: it has no 'epoch'
555555555555  tiles  failed             2  10 min ago  3.00 s
    2 of 10 tasks of stage 1 'Cut' failed: TileBroken: tile 3 is broken
888888888888  ?      can't be read         ?
    store row: it has schema version 2, this jobkit knows 1 at most. Upgrade jobkit.

What is broken about a job that can't be read: jobkit doctor --job ID

Next page: jobkit inspect jobs --status failed --after 555555555555
""",
}


@pytest.mark.parametrize(("name", "widths"), SCREENS, ids=str)
def test_each_page_at_80_and_at_120_columns(name: str, widths: tuple[int, ...]):
    for width in widths:
        assert screen(shown(name), width) == SCREENS[name, widths]


def test_a_pipe_gets_whole_ids_types_and_errors():
    lines = screen(shown("the last page", whole=True), 10_000).split("\n")

    assert lines[3].startswith(
        "2" * 32 + "  validate_every_raster_of_all  processing    2/2  5 min ago    5 min 00 s  {"
    )
    assert lines[6].endswith("  3.00 s  2 of 10 tasks of stage 1 'Cut' failed: TileBroken: tile 3 is broken")
