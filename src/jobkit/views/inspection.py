"""One job looked at closely: verdict and findings first, then all that led there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jobkit.runtime.figures import took_s, waited_s
from jobkit.runtime.inspected import Inspected, Outliers, Weight
from jobkit.runtime.model import ErrorGroup, StageRecord, Status, Summary
from jobkit.runtime.summary import group_errors

from .duration import duration_text
from .job import STYLES, error_group_view, facts_view, failure_view, indented, result_view, shown_text, stages_view
from .verdict import verdict_of

MOST_GROUPS = 5
LONGEST = 3
MOST_RETRIED = 10
_WEIGHTS = {Weight.STUCK: "bold red", Weight.WAITING: "yellow", Weight.NOTE: ""}


def inspection_view(found: Inspected, *, whole: bool = False) -> RenderableType:
    """Show a job that was looked at; `whole` shows every result."""
    job = found.chain.job
    counts = {number: count.summary for number, count in found.counts.items()}
    at_least = {number for number, count in found.counts.items() if count.unseen}
    parts: list[RenderableType] = [
        _headline(found),
        *_findings(found),
        facts_view(job, found.audits, whole=whole),
        Text(),
        stages_view(found.chain, counts, now=found.at, at_least=at_least),
    ]
    errors = list(_errors(found, counts))
    if errors:
        parts += [Text(), Text("Errors", style="bold"), *errors]
    elif job.error is not None:
        parts += [Text(), Text("Error", style="bold"), indented(failure_view(job.error))]
    parts += _in_flight(found)
    parts += _slowest(found)
    parts += _retried(found)
    if job.result_json is not None:
        parts += [Text(), result_view(job, whole=whole)]
    parts += [Text(), *_provenance(found)]
    return Group(*parts)


def _headline(found: Inspected) -> Text:
    job = found.chain.job
    sentence = verdict_of(found)
    text = Text()
    text.append(f"{job.job_type} ", style="bold")
    word, _, rest = sentence.partition(" ")
    is_stuck = bool(found.diagnosis.findings) and found.diagnosis.findings[0].weight is Weight.STUCK
    text.append(word, style="bold red" if is_stuck else f"bold {STYLES[job.status]}")
    text.append(f" {shown_text(rest)}")
    return text


def _findings(found: Inspected) -> Iterator[RenderableType]:
    """Show what was found; what the headline says already is only named."""
    sentence = verdict_of(found)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in found.diagnosis.findings:
        said = finding.evidence in sentence
        text = "" if said else shown_text(finding.evidence)
        remedy = f"to do: {ways(finding.remedy)}" if finding.remedy else ""
        lines = "\n".join(line for line in (text, remedy) if line)
        grid.add_row(Text(f"{finding.weight}: {finding.name}", style=_WEIGHTS[finding.weight]), Text(lines))
    for text in found.diagnosis.unchecked:
        grid.add_row(Text("not checked", style="yellow"), Text(text))
    if grid.row_count:
        yield indented(grid)
        yield Text()


def ways(remedy: str) -> str:
    """Put each of the ways to mend something on a line of its own, so that a command can be copied from there."""
    return remedy.replace("; or ", "\nor: ")


def _errors(found: Inspected, counts: Mapping[int, Summary]) -> Iterator[RenderableType]:
    for stage in found.chain.stages:
        summary = counts.get(stage.number, stage.summary)
        if not summary.failed:
            continue
        groups = error_groups(found, stage, summary)
        yield from (error_group_view(stage, group) for group in groups[:MOST_GROUPS])
        rest = summary.failed - sum(group.count for group in groups[:MOST_GROUPS])
        if rest > 0:
            yield Text(f"  stage {stage.number} {stage.name}: {rest:,} more failed", style="dim")


def error_groups(found: Inspected, stage: StageRecord, summary: Summary) -> list[ErrorGroup]:
    """Group a stage's errors by type and text where all failed tasks were read, by type otherwise."""
    failed = found.outliers.get(stage.number, Outliers()).failed
    return group_errors(failed) if len(failed) == summary.failed else list(summary.errors)


def _in_flight(found: Inspected) -> list[RenderableType]:
    tasks = [task for count in found.counts.values() for task in count.open if task.status is Status.PROCESSING]
    begun = sorted((task.started_at, task.ref.index, task) for task in tasks if task.started_at is not None)
    lines: list[RenderableType] = []
    for started, _, task in begun[:LONGEST]:
        ran = duration_text(max(0.0, (found.at - started).total_seconds()))
        told = task.alive_at is not None and task.alive_at != started
        signs = f", last sign of life {task.alive_at:%H:%M:%S} UTC" if told else ""
        attempt = "" if task.attempt == 1 else f", attempt {task.attempt}"
        line = f"{task.ref.stage}-{task.ref.index}  {ran} on {task.worker}{attempt}{signs}"
        lines.append(indented(Text(line)))
    return [Text(), Text("Longest in flight", style="bold"), *lines] if lines else []


def _slowest(found: Inspected) -> list[RenderableType]:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("task", "ran", "waited"):
        table.add_column(title, justify="left" if title == "task" else "right", no_wrap=True)
    table.add_column("instance", overflow="fold")
    counted_open = {task.ref for count in found.counts.values() for task in count.open}
    for stage in found.chain.stages:
        # what ended between the two reads of one look is shown where it was counted: in flight
        slowest = [t for t in found.outliers.get(stage.number, Outliers()).slowest if t.ref not in counted_open]
        if (stage.task_count or 0) <= 1:
            continue
        for task in islice(slowest, LONGEST):
            waited = waited_s(task)
            table.add_row(
                f"{stage.number}-{task.ref.index}",
                duration_text(took_s(task) or 0.0),
                "" if waited is None else duration_text(waited),
                Text(task.worker or ""),
            )
    return [Text(), Text("Slowest tasks", style="bold"), indented(table)] * bool(table.row_count)


def _retried(found: Inspected) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for stage in found.chain.stages:
        retried = found.outliers.get(stage.number, Outliers()).retried
        if retried:
            named = ", ".join(f"{task.ref.index} (attempt {task.attempt})" for task in retried[:MOST_RETRIED])
            more = f" and {len(retried) - MOST_RETRIED:,} more" if len(retried) > MOST_RETRIED else ""
            tasks = "1 task was" if len(retried) == 1 else f"{len(retried):,} tasks were"
            lines.append(indented(Text(f"stage {stage.number} {stage.name}: {tasks} tried again: {named}{more}")))
    return [Text(), Text("Retries", style="bold"), *lines] if lines else []


def _provenance(found: Inspected) -> list[RenderableType]:
    title = Text("The id is the hash of", style="bold")
    if found.provenance is None:
        text = "what its row does not tell whole: parameters are left out of it, or the code that hashed was another"
        return [title, indented(Text(text, style="dim"))]
    lines = [indented(Text(shown_text(found.provenance.canonical), overflow="fold"))]
    if found.provenance.left_out:
        text = f"without {', '.join(found.provenance.left_out)}, which is no part of it"
        lines.append(indented(Text(shown_text(text), style="dim")))
    return [title, *lines]
