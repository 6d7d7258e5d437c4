"""A controller as a command of typer: its parameters are options, and so are those that the command has of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from jobkit.runtime.controller import BaseController

from .described import Form, ParamOption, example_of, param_options
from .joboptions import OwnOption


def command_for(
    controller: type[BaseController[Any]],
    own: Sequence[OwnOption],
    body: Callable[[dict[str, Any], dict[str, Any]], None],
) -> Callable[..., None]:
    """Make a function that typer can turn into a command: the parameters' options, then the command's own.

    `body` gets the parameters that were given and the values of the own options.
    """
    options = param_options(controller)
    names = {f"param_{number}": option for number, option in enumerate(options)}

    def command(**values: Any) -> None:
        given = {
            option.key: option.read(controller.job_type, values[name])
            for name, option in names.items()
            if values[name] is not None
        }
        body(given, {name: value for name, value in values.items() if name not in names})

    parameters = [
        *(_parameter(name, option) for name, option in names.items()),
        *(_own_parameter(option) for option in own),
    ]
    command.__doc__ = inspect.cleandoc(controller.__doc__ or controller.job_type)
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # typer reads it
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def job_app(
    command: str,
    controller: type[BaseController[Any]],
    options: Sequence[OwnOption],
    body: Callable[[dict[str, Any], dict[str, Any]], None],
) -> typer.Typer:
    """Make the command line of one job type: the controller's parameters are options, and so are the command's own."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=f"For example: {example_of(command, controller)}",
    )(command_for(controller, options, body))
    return app


def _parameter(name: str, option: ParamOption) -> inspect.Parameter:
    annotation: Any = {Form.FLAG: bool | None, Form.LIST: list[str] | None}.get(option.form, str | None)
    info = typer.Option(
        *option.flags,
        help=option.help_line,
        metavar=option.metavar,
        show_default=False,
    )
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[annotation, info])


def _own_parameter(option: OwnOption) -> inspect.Parameter:
    info = typer.Option(
        option.flag,
        metavar=option.metavar,
        help=option.help,
        min=option.min,
        max=option.max,
        show_default=option.show_default,
    )
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option.default,
        annotation=Annotated[option.annotation, info],
    )
