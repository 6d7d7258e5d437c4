"""What all screens have in common: shown once, watched, drawn, as JSON."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from rich.text import Text

from clocks import ManualClock
from jobkit.cli import screens
from jobkit.cli.pictures import picture
from jobkit.cli.screens import Frame, How, present
from jobkit.runtime.errors import InvalidSetting, OptionsContradict, StoreUnavailable

GONE = StoreUnavailable(store="local.db", reason="it is locked")


def frame(text: str, *, ended: int | None = None) -> Frame:
    def view(whole: bool) -> Text:
        return Text(f"{text}{', whole' if whole else ''}")

    return Frame(view=view, document=lambda: {"schema": 1, "text": text}, line=f"line {text}", ended=ended)


def reads(*frames: Frame | BaseException) -> Callable[[], Frame]:
    left: Iterator[Frame | BaseException] = iter(frames)

    def read() -> Frame:
        found = next(left)
        if isinstance(found, BaseException):
            raise found
        return found

    return read


def code_of(read: Callable[[], Frame], how: How, clock: ManualClock | None = None) -> int:
    try:
        present(read, how, title="a screen", clock=clock)
    except typer.Exit as left:
        return left.exit_code
    return 0


def test_once_it_is_shown_whole_in_a_pipe_and_as_json(capsys: pytest.CaptureFixture[str]):
    assert [code_of(reads(frame("one", ended=1)), How(json=json)) for json in (False, True)] == [0, 0]

    assert capsys.readouterr().out == 'one, whole\n{\n  "schema": 1,\n  "text": "one"\n}\n'


@pytest.mark.parametrize("code", [0, 1])
def test_without_a_terminal_a_watch_tells_what_changes_and_ends_with_the_last_screen_and_its_code(
    capsys: pytest.CaptureFixture[str], code: int
):
    clock = ManualClock()
    frames = [*[frame("one")] * 7, *[frame(f"two {n}") for n in range(12)], frame("three", ended=code)]

    assert code_of(reads(*frames), How(watch=True), clock) == code

    out, err = capsys.readouterr()
    assert (out, err) == ("three, whole\n", "line one\nline two 0\nline two 5\nline two 10\n")
    assert (clock.now() - ManualClock().now()).total_seconds() == 19  # seconds, one after each but the last


def test_a_watch_waits_for_a_store_that_comes_back_and_says_so(capsys: pytest.CaptureFixture[str]):
    clock = ManualClock()

    assert code_of(reads(frame("one"), *[GONE] * 9, frame("two", ended=0)), How(watch=True), clock) == 0

    told = "not read since 12:00:00 UTC: store local.db: it is locked"
    assert capsys.readouterr().err == f"line one\n{told}\n"


def test_a_store_that_stays_away_ends_a_watch_after_half_a_minute():
    clock = ManualClock()

    with pytest.raises(StoreUnavailable):
        present(reads(frame("one"), *[GONE] * 99), How(watch=True), title="", clock=clock)

    assert (clock.now() - ManualClock().now()).total_seconds() == 31


def test_a_watch_that_reads_slowly_reads_less_often(capsys: pytest.CaptureFixture[str]):
    clock = ManualClock()
    frames = reads(frame("one"), frame("one"), frame("two", ended=0))

    def slow() -> Frame:
        clock.advance(2)
        return frames()

    assert code_of(slow, How(watch=True), clock) == 0

    assert (clock.now() - ManualClock().now()).total_seconds() == 3 * 2 + 2 * 8


def test_ctrl_c_ends_a_watch_with_130(capsys: pytest.CaptureFixture[str]):
    assert code_of(reads(frame("one"), KeyboardInterrupt()), How(watch=True), ManualClock()) == 130

    assert capsys.readouterr() == ("", "line one\n")


@pytest.mark.parametrize(("end", "code"), [(frame("three", ended=1), 1), (KeyboardInterrupt(), 130)])
def test_on_a_terminal_each_frame_takes_the_place_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch, end: Any, code: int
):
    seen = io.StringIO()

    def console(**_: Any) -> Console:
        return Console(file=seen, force_terminal=True, width=40, legacy_windows=False, _environ={"TERM": "xterm"})

    monkeypatch.setattr(screens, "is_piped", lambda: False)
    monkeypatch.setattr(screens, "Console", console)
    monkeypatch.setattr(screens, "show", console().print)

    assert code_of(reads(frame("one"), GONE, frame("two"), end), How(watch=True), ManualClock()) == code

    up = "\r\x1b[2K"  # back to the line's begin, and erase it
    shown = (
        seen.getvalue().replace("\x1b[?25l", "").replace("\x1b[?25h", "").replace("\x1b[33m", "").replace("\x1b[0m", "")
    )
    assert shown.startswith(f"one{up}one\nnot read since 12:00:00 UTC: store \nlocal.db: it is locked{up}")
    assert shown.endswith(f"two{up}\n\r\x1b[1A\x1b[2Kthree\n" if code == 1 else "two\n")


def test_of_a_frame_that_is_taller_than_the_terminal_nothing_is_left_above_the_last_one(
    monkeypatch: pytest.MonkeyPatch,
):
    seen = io.StringIO()

    def console(**_: Any) -> Console:
        return Console(
            file=seen, force_terminal=True, width=40, height=4, legacy_windows=False, _environ={"TERM": "xterm"}
        )

    monkeypatch.setattr(screens, "is_piped", lambda: False)
    monkeypatch.setattr(screens, "Console", console)
    monkeypatch.setattr(screens, "show", lambda _: None)
    tall = frame("\n".join(f"line {number}" for number in range(9)))

    assert code_of(reads(tall, frame("end", ended=0)), How(watch=True), ManualClock()) == 0

    assert "line 2" in seen.getvalue()
    assert "line 3" not in seen.getvalue()  # it would have scrolled lines 0 to 5 out of reach


def test_a_picture_needs_nothing_from_elsewhere_and_is_the_same_each_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert code_of(reads(frame("one <two>")), How(svg=tmp_path / "a.svg")) == 0

    drawn = (tmp_path / "a.svg").read_text()
    assert drawn == picture(Text("one <two>"), title="a screen")
    assert "one&#160;&lt;two&gt;" in drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")
    assert capsys.readouterr() == ("", f"{tmp_path}/a.svg written\n")


def test_a_picture_that_cannot_be_written_is_wrong_usage(tmp_path: Path):
    with pytest.raises(InvalidSetting, match=r"^--svg=.*no/a\.svg: No such file or directory$"):
        present(reads(frame("one")), How(svg=tmp_path / "no" / "a.svg"), title="")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (How(watch=True, json=True), "--watch shows a screen again and again; --json prints one document"),
        (How(svg=Path("a"), json=True), "--svg draws a screen as it is now: leave out --json"),
        (How(svg=Path("a"), watch=True), "--svg draws a screen as it is now: leave out --watch"),
    ],
)
def test_one_way_at_a_time(how: How, message: str):
    with pytest.raises(OptionsContradict) as refused:
        present(reads(), how, title="")

    assert str(refused.value) == message
