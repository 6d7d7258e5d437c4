"""Every screen of a job looks on Azurite as it does on the local store."""

from __future__ import annotations

from pathlib import Path

import pytest

from azurite import new_account
from commands import InProcess, still


def test_the_screens_of_a_job_are_the_same_on_both_stores(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
):
    account, hub = new_account()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AzureWebJobsStorage", account.connection_string)
    monkeypatch.setenv("JOBKIT_HUB", hub)
    jobkit = InProcess(monkeypatch, capfd)

    def screens(*store: str) -> list[str]:
        ended = jobkit("run", "hello_worlds", "--n", "3", "--json", *store).document["job_id"]
        waits = jobkit("submit", "hello_worlds", "--n", "4", "--json", *store).document["job_id"]
        shown = [
            jobkit("inspect", *words, *store)
            for words in (
                ["job", ended],
                ["job", waits],
                ["tasks", ended],
                ["tasks", ended, "--limit", "1", "--json"],
                ["task", f"{ended}-2-0"],
            )
        ]
        timeline = jobkit("inspect", "job", ended, "--timeline", *store)
        assert [(done.code, done.err) for done in (*shown, timeline)] == [(0, "")] * 6
        assert "- 1 instance, " in timeline.out
        return [_slowest_left_out(still(done.out)) for done in shown]

    there, here = screens("--store", "azure"), screens()

    told = "in queue jobs and no process works on this store\\n  waiting: no worker  to do: jobkit worker"
    untold = "in queue jobs\\n  waiting: not taken yet"  # who works on an account can't be seen
    assert there == [text.replace(told.replace("\\n", "\n"), untold.replace("\\n", "\n")) for text in here]


def _slowest_left_out(text: str) -> str:
    """Leave out which tasks were the slowest ones, and which turned out the lights: that differs each time."""
    before, title, after = text.partition("Slowest tasks\n")
    lines = [line.partition("  task ")[0] for line in before.split("\n")]
    return "\n".join(lines) + title + after.partition("\n\n")[2]
