"""The controllers there are: job types with their stages and parameters."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamRow:
    """One parameter; one that must be given has no default."""

    name: str
    type: str
    default: str | None
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerRow:
    """One controller."""

    job_type: str
    version: int
    doc: str
    stages: tuple[str, ...]
    params: tuple[ParamRow, ...]


def controllers_view(controllers: list[ControllerRow]) -> RenderableType:
    """List controllers."""
    parts: list[RenderableType] = []
    for controller in controllers:
        if parts:
            parts.append(Text())
        head = Text(controller.job_type, style="bold")
        head.append(f"  version {controller.version}", style="dim")
        parts.append(head)
        if controller.doc:
            parts.append(Text(f"  {controller.doc}"))
        stages = " → ".join(f"{number} {name}" for number, name in enumerate(controller.stages, 1))
        parts.append(Text(f"  stages: {stages}"))
        grid = Table.grid(padding=(0, 2))
        for _ in range(2):
            grid.add_column(no_wrap=True)
        for _ in range(2):
            grid.add_column(overflow="fold")
        for param in controller.params:
            default = "required" if param.default is None else f"default {param.default}"
            grid.add_row(Text(param.name), Text(param.type), Text(default, style="dim"), Text(param.help))
        parts.append(Padding(grid, (0, 0, 0, 4), expand=False))
    return Group(*parts)
