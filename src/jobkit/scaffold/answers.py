"""What a controller's template is given: every name, type, literal and expected text, so that it only has to lay them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .layout import Layout
from .literals import literal
from .naming import Names, as_imported, choose_names
from .params import ParamSpec
from .stages import Kind, StageSpec

#: How many items a generated fan-out yields.
ITEMS = 3


def controller_answers(
    job_type: str, stages: Sequence[StageSpec], params: Sequence[ParamSpec], layout: Layout, *, with_test: bool
) -> dict[str, Any]:
    """Return the answers; docs/templates.md lists them for those who write templates."""
    names = choose_names(job_type, stages)
    root = layout.root
    types = " ".join(param.type for param in params)
    return {
        "job_type": job_type,
        "module": f"{layout.package}.{job_type}",
        "controllers_folder": layout.folder.relative_to(root).as_posix(),
        "controller_file": f"{job_type}.py",
        "tests_folder": layout.tests.relative_to(root).as_posix(),
        "test_file": f"test_{job_type}.py" if with_test else "",
        "controller_class": names.controller_class,
        "params_class": names.params_class,
        "params": [_param(param) for param in params],
        "samples": [f"{param.name}={literal(param.sample)}" for param in params if param.is_required],
        "samples_use_date": any("dt." in param.type for param in params if param.is_required),
        "samples_use_path": any("Path" in param.type for param in params if param.is_required),
        "has_dates": "dt." in types,
        "has_paths": "Path" in types,
        "has_items": any(stage.kind.has_items for stage in stages),
        "stages": _stages(job_type, stages, params, names),
        "test_imports": _test_imports(stages, names, with_params=bool(params)),
    }


def _param(param: ParamSpec) -> dict[str, Any]:
    default = [] if param.is_required else [f"default={literal(param.default)}"]
    bounds = [f"{name}={literal(bound)}" for name, bound in param.bounds.items()]
    description = f"description={literal(f'Say what `{param.name}` is.')}"
    return {"name": param.name, "type": param.type, "arguments": [*default, *bounds, description]}


def _stages(
    job_type: str, stages: Sequence[StageSpec], params: Sequence[ParamSpec], names: Names
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    texts: list[str] = []
    shown = next((param for param in params if param.is_required), params[0] if params else None)
    for stage, called in zip(stages, names.stages, strict=True):
        before = len(texts)
        if stage.kind is Kind.SINGLE:
            what = "{task.attempt}" if shown is None else f"{{task.job.params.{shown.name}}}"
            what = f"attempt {what}" if shown is None else what
            texts = [f"{stage.slug}: {'attempt 1' if shown is None else shown.value}"]
        elif stage.kind is Kind.FAN_OUT:
            what = "{task.params.name}"
            texts = [f"{stage.slug}: {job_type} {number}" for number in range(1, ITEMS + 1)]
        elif stage.kind is Kind.FAN_IN:
            what = "{len(texts)} results"
            texts = [f"{stage.slug}: {before} results"]
        else:
            what = "{task.params.text}"
            texts = [f"{stage.slug}: {text}" for text in texts]
        found.append(
            {
                "name": literal(stage.name),
                "slug": stage.slug,
                "kind": stage.kind.value,
                "task": called.task,
                "fan_out": called.items,
                "item_class": called.item_class,
                "result_class": called.result_class,
                "before": found[-1] if found else None,
                "text": f'f"{stage.slug}: {what}"',
                "task_count": len(texts),
                "results": [literal(text) for text in texts],
            }
        )
    return found


def _test_imports(stages: Sequence[StageSpec], names: Names, *, with_params: bool) -> list[str]:
    items = [called.item_class for stage, called in zip(stages, names.stages, strict=True) if stage.kind.has_items]
    params = [names.params_class] if with_params else []
    return as_imported([names.controller_class, *params, *items, *(called.result_class for called in names.stages)])
