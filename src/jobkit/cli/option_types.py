"""The options and arguments that several commands take: one help, one form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[
    bool, typer.Option("--json", metavar="", help="Print one JSON document on stdout, and nothing else there.")
]
Watch = Annotated[
    bool, typer.Option("--watch", metavar="", help="Show it again and again until it has ended, and exit as it did.")
]
Svg = Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw it as a picture into this file.")]
StoreOption = Annotated[
    str, typer.Option("--store", metavar="local[:PATH]|azure", help="Where jobs are kept.", show_default=True)
]

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID...]", help="Jobs, by their ids or how these begin; or give a filter.")
]
Statuses = Annotated[
    list[str] | None,
    typer.Option("--status", metavar="STATUS", help="Only jobs that are queued, processing, completed, failed."),
]
Types = Annotated[list[str] | None, typer.Option("--type", metavar="JOB_TYPE", help="Only jobs of this type.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only jobs created since then: 30m, 12h, 2d, a date, a time."),
]
ParamValues = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Only jobs with this value of a parameter."),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept with the job.")]
Yes = Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask.")]

PoisonIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MESSAGE_ID...]", help="Messages, by their ids or how these begin; or give a filter."),
]
PoisonStatuses = Annotated[
    list[str] | None,
    typer.Option("--status", metavar="STATUS", help="Of jobs that are queued, processing, completed, failed."),
]
PoisonTypes = Annotated[list[str] | None, typer.Option("--type", metavar="JOB_TYPE", help="Of jobs of this type.")]
PoisonSince = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Of jobs created since then: 30m, 12h, 2d, a date, a time."),
]
PoisonParams = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Of jobs with this value of a parameter."),
]
QueueOption = Annotated[
    str | None, typer.Option("--queue", metavar="tasks|jobs", help="Messages that came from this queue.")
]
JobOption = Annotated[
    str | None, typer.Option("--job", metavar="ID", help="Messages of this job, by how its id begins.")
]
