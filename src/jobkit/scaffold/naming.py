"""Names in the generated code: each one a valid, free identifier, whatever stages and controller are called."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jobkit.runtime.controller import BaseController

from .stages import StageSpec

#: What the generated modules import or define besides.
_OF_THE_MODULE: Final = (
    "BaseController",
    "BaseModel",
    "Field",
    "Iterator",
    "JobContext",
    "PARAMS",
    "Params",
    "Path",
    "TaskContext",
    "dt",
    "run_fan_out",
    "run_job",
    "run_task",
    "stage",
)
_TAKEN: Final = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *_OF_THE_MODULE})
_OF_A_CONTROLLER: Final = frozenset({*dir(BaseController), *BaseController.__annotations__})


@dataclass(frozen=True, slots=True, kw_only=True)
class StageNames:
    """What a stage's functions and models are called."""

    task: str
    items: str
    item_class: str
    result_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the classes of a controller's module are called."""

    controller_class: str
    params_class: str
    stages: tuple[StageNames, ...]


def choose_names(job_type: str, stages: Sequence[StageSpec]) -> Names:
    """Choose names that don't collide with each other, with Python's, or with what the module imports."""
    modules: set[str] = set(_TAKEN)
    methods: set[str] = {*_TAKEN, *_OF_A_CONTROLLER}
    controller_class = _take(_camel(job_type), "Job", modules)
    params_class = _take(f"{controller_class}Params", "Model", modules)
    tasks = [
        _take(stage.slug if stage.slug[0].isalpha() else f"task_{stage.slug}", "_task", methods) for stage in stages
    ]
    return Names(
        controller_class=controller_class,
        params_class=params_class,
        stages=tuple(
            StageNames(
                task=task,
                items=_take(f"{task}_items", "_list", methods),
                item_class=_take(f"{_camel(task)}Item", "Model", modules),
                result_class=_take(f"{_camel(task)}Result", "Model", modules),
            )
            for task in tasks
        ),
    )


def as_imported(names: Sequence[str]) -> list[str]:
    """Sort classes as an import sorter does: constants first, then by name with numbers as numbers, whatever the case."""
    return sorted(names, key=lambda name: (not (name.isupper() and len(name) > 1), _natural(name.lower()), name))


def _take(wanted: str, suffix: str, taken: set[str]) -> str:
    while wanted in taken:
        wanted += suffix
    taken.add(wanted)
    return wanted


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]
