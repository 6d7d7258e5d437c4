"""The options of the commands that take a job type, beside those that its parameters are. Nothing here needs typer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOption:
    """An option that a command has of its own."""

    name: str
    annotation: Any
    default: Any
    flag: str
    #: Empty for a flag that takes no value.
    metavar: str
    help: str
    min: int | None = None
    max: int | None = None
    show_default: bool = True


OWN_OPTIONS: Final = (
    OwnOption(
        name="params",
        annotation=str | None,
        default=None,
        flag="--params",
        metavar="FILE|-",
        help="Read parameters from a JSON file, or stdin.",
    ),
    OwnOption(
        name="stage",
        annotation=list[str] | None,
        default=None,
        flag="--stage",
        metavar="NAME",
        help="Run this stage alone (number, name or slug; repeat it for consecutive ones).",
    ),
    OwnOption(
        name="source",
        annotation=str | None,
        default=None,
        flag="--from",
        metavar="JOB|FILE|-",
        help="Where that stage reads earlier results: a job, or a JSON array of results.",
    ),
    OwnOption(
        name="again",
        annotation=bool,
        default=False,
        flag="--again",
        metavar="",
        help="Run afresh, although this job has been run.",
    ),
    OwnOption(
        name="store",
        annotation=str,
        default="local",
        flag="--store",
        metavar="local[:PATH]|azure",
        help="Where jobs are kept.",
    ),
    OwnOption(
        name="json",
        annotation=bool,
        default=False,
        flag="--json",
        metavar="",
        help="Print one JSON document on stdout, and nothing else there.",
    ),
)


#: What `run` and `dev` have besides.
RUN_OPTIONS: Final = (
    OwnOption(
        name="instances",
        annotation=int,
        default=1,
        flag="--instances",
        metavar="N",
        min=1,
        max=64,
        help="How many processes work on it.",
    ),
    OwnOption(
        name="concurrency",
        annotation=int,
        default=16,
        flag="--concurrency",
        metavar="N",
        min=1,
        max=256,
        help="How many tasks each works on at once.",
    ),
    OwnOption(
        name="timeout",
        annotation=float | None,
        default=None,
        flag="--timeout",
        min=0,
        metavar="S",
        help="Stop after so many seconds.",
    ),
    OwnOption(
        name="chaos",
        annotation=str | None,
        default=None,
        flag="--chaos",
        metavar="SHARES",
        help="Disturb the run, such as kill=5%,duplicate=5%,late=5%,error=2%, and tell which tasks ran twice.",
    ),
    OwnOption(
        name="seed",
        annotation=int | None,
        default=None,
        flag="--seed",
        min=0,
        metavar="N",
        help="Make the same choice for --chaos again.",
    ),
)


#: Of its own `dev` has neither `--again`, as each run is a further one, nor `--json`, as there is more than one document.
DEV_OPTIONS: Final = (
    *(own for own in OWN_OPTIONS if own.name in ("params", "stage", "source")),
    OwnOption(
        name="store",
        annotation=str,
        default="",
        flag="--store",
        metavar="local[:PATH]|azure",
        help="Where jobs are kept. By default each run has a store of its own; with --from it is local.",
        show_default=False,
    ),
)
