"""The options of the commands that take a job type, beside those that its parameters are."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer


def option(name: str, annotation: Any, default: Any, *flags: str, **settings: Any) -> inspect.Parameter:
    """Describe one of a command's own options."""
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation, typer.Option(*flags, **settings)],
    )


def flags_of(described: inspect.Parameter) -> tuple[str, ...]:
    """Return how an option is typed."""
    info: Any = described.annotation.__metadata__[0]
    return (info.default, *info.param_decls)  # typer has the first one there


OWN_OPTIONS = (
    option(
        "params", str | None, None, "--params", metavar="FILE|-", help="Read parameters from a JSON file, or stdin."
    ),
    option(
        "stage",
        list[str] | None,
        None,
        "--stage",
        metavar="NAME",
        help="Run this stage alone (number, name or slug; repeat it for consecutive ones).",
    ),
    option(
        "source",
        str | None,
        None,
        "--from",
        metavar="JOB|FILE|-",
        help="Where that stage reads earlier results: a job, or a JSON array of results.",
    ),
    option("again", bool, False, "--again", metavar="", help="Run afresh, although this job has been run."),
    option("store", str, "local", "--store", metavar="local[:PATH]|azure", help="Where jobs are kept."),
    option(
        "json", bool, False, "--json", metavar="", help="Print one JSON document on stdout, and nothing else there."
    ),
)


#: What `run` and `dev` have besides.
RUN_OPTIONS = (
    option("instances", int, 1, "--instances", metavar="N", min=1, max=64, help="How many processes work on it."),
    option(
        "concurrency",
        int,
        16,
        "--concurrency",
        metavar="N",
        min=1,
        max=256,
        help="How many tasks each works on at once.",
    ),
    option("timeout", float | None, None, "--timeout", min=0, metavar="S", help="Stop after so many seconds."),
    option(
        "chaos",
        str | None,
        None,
        "--chaos",
        metavar="SHARES",
        help="Disturb the run, such as kill=5%,duplicate=5%,late=5%,error=2%, and tell which tasks ran twice.",
    ),
    option("seed", int | None, None, "--seed", min=0, metavar="N", help="Make the same choice for --chaos again."),
)


#: Of its own `dev` has neither `--again`, as each run is a further one, nor `--json`, as there is more than one document.
DEV_OPTIONS = (
    *(parameter for parameter in OWN_OPTIONS if parameter.name in ("params", "stage", "source")),
    option(
        "store",
        str,
        "",
        "--store",
        metavar="local[:PATH]|azure",
        help="Where jobs are kept. By default each run has a store of its own; with --from it is local.",
        show_default=False,
    ),
)
