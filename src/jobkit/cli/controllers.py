"""`jobkit controllers`: what there is, with stages and parameters."""

from __future__ import annotations

from typing import Any

import typer

from jobkit.runtime.controller import BaseController
from jobkit.runtime.definition import params_adapter

from .described import param_options, summary_of
from .output import print_json, show
from .session import here, load_controllers


def main(*, json: bool) -> None:
    """Run `jobkit controllers`; exit code 1 when a module could not be loaded."""
    loaded = load_controllers(here())
    if json:
        print_json(
            {
                "schema": 1,
                "controllers": [_document(controller) for controller in loaded.registry],
                "problems": [{"name": p.name, "reason": p.reason, "where": p.where} for p in loaded.problems],
            }
        )
    else:
        from jobkit.views.controllers import ControllerRow, ParamRow, controllers_view

        rows = [
            ControllerRow(
                job_type=controller.job_type,
                version=controller.version,
                doc=summary_of(controller),
                stages=tuple(stage.name for stage in controller.stages),
                params=tuple(
                    ParamRow(name=o.flags[0], type=o.metavar or "flag", default=o.default, help=o.help)
                    for o in param_options(controller)
                ),
            )
            for controller in loaded.registry
        ]
        show(controllers_view(rows))
    if loaded.problems:
        raise typer.Exit(1)


def _document(controller: type[BaseController[Any]]) -> dict[str, Any]:
    return {
        "job_type": controller.job_type,
        "version": controller.version,
        "description": summary_of(controller),
        "stages": [
            {"number": number, "name": stage.name, "slug": stage.slug, "max_attempts": stage.options.max_attempts}
            for number, stage in enumerate(controller.stages, 1)
        ],
        "params": params_adapter(controller).json_schema(by_alias=False),
    }
