"""What `GET` and `POST /api/doctor` do: the app examines itself where it runs, as `jobkit doctor` does on a laptop."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Final, TypeAlias

import azure.functions as func

from jobkit.runtime.checks.controllers import judge_controllers
from jobkit.runtime.checks.examination import cleaned, doctor_document, examine_store, guarded
from jobkit.runtime.checks.files import FUNCIGNORE, check_backups, check_deployed, check_running
from jobkit.runtime.checks.finding import Finding, Findings, Group
from jobkit.runtime.checks.functions import judge_functions, rest_not_checked
from jobkit.runtime.checks.host_file import check_host, message_encoding, read_host, stage_timeouts
from jobkit.runtime.checks.indexed import FUNCTION_APP, describe_functions, find_apps
from jobkit.runtime.checks.machine import check_python, judge_dependencies
from jobkit.runtime.checks.settings import check_account, check_disabled, check_hub, check_retention
from jobkit.runtime.checks.storage import Access, Opened
from jobkit.runtime.errors import InvalidSetting
from jobkit.runtime.loader import HOST_FILE
from jobkit.runtime.stamp import read_stamp

from .answers import answer_json
from .app import App
from .requests import read_query

#: No further active job is looked at after that: a request is ended by the platform after 230 s.
MOST: Final = timedelta(seconds=60)
#: Where Functions says that the app's folder is, and what the module is called that it imports, if not function_app.py.
FOLDER: Final = "AzureWebJobsScriptRoot"
SCRIPT: Final = "PYTHON_SCRIPT_FILE_NAME"
_APP: Final = Findings(Group.APP)
_Check: TypeAlias = tuple[Group, str, Callable[[], Iterable[Finding]]]


def examine_app(app: App, request: func.HttpRequest, *, write: bool) -> func.HttpResponse:
    """Tell all that the app can find out of itself: 200, whatever that is. Without `write` nothing is written."""
    read_query(request, ())
    folder = _folder(app)
    access = _access(app, folder)
    found: list[Finding] = []
    for group, name, check in _checks(app, folder):
        found += guarded(group, name, check)
    found += examine_store(access, write=write, most=MOST)
    return answer_json(doctor_document(cleaned(found, os.environ), folder=folder, store=access.name))


def _checks(app: App, folder: Path | None) -> Iterator[_Check]:
    yield Group.MACHINE, "Python", partial(check_python, "give the app another one: it is a setting of the plan")
    yield Group.MACHINE, "dependencies", partial(_check_dependencies, app)
    yield Group.APP, "controllers", partial(_check_controllers, app)
    yield Group.APP, "functions", partial(_check_functions, app)
    yield Group.APP, "runtime", partial(check_running, app.place, folder)
    if folder is None:
        yield Group.APP, HOST_FILE, _no_folder
    else:
        yield Group.APP, HOST_FILE, partial(_check_host, app, folder)
        yield Group.APP, FUNCIGNORE, partial(check_deployed, folder, os.environ)
        yield Group.APP, "backups", partial(check_backups, folder)
    yield Group.SETTINGS, "settings", _check_settings


def _check_dependencies(app: App) -> Iterator[Finding]:
    """Tell whether what the runtime needs is installed, and new enough."""
    stamp = read_stamp(app.place)
    if stamp is None or not stamp.requires:
        evidence = f"what the runtime needs is not known: no jobkit deploy has left that in {app.place}"
        yield Findings(Group.MACHINE).not_checked("dependencies", evidence, "jobkit deploy APP, and deploy the app")
        return
    yield from judge_dependencies(stamp.requires, 'put "{line}" into requirements.txt, and deploy the app')


def _check_controllers(app: App) -> Iterator[Finding]:
    loaded = app.loaded
    yield from judge_controllers([controller.job_type for controller in loaded.registry], loaded.problems)


def _check_functions(app: App) -> Iterator[Finding]:
    """Tell what the module that Microsoft's worker has imported registers."""
    module = _module(os.environ)
    apps = {} if module is None else find_apps(module)
    if len(apps) != 1:
        evidence = f"{'no' if module is None else 'the'} module {_script(os.environ)} "
        evidence += "was imported here" if module is None else f"has {len(apps)} FunctionApps"
        fix = "jobkit doctor APP looks at them from outside"
        yield _APP.not_checked("functions", evidence, fix)
        yield from rest_not_checked(evidence)
        return
    yield from judge_functions(describe_functions(next(iter(apps.values()))), hub=_hub(app))


def _check_host(app: App, folder: Path) -> Iterator[Finding]:
    timeouts = stage_timeouts(
        (controller.job_type, stage.name, stage.options.timeout.total_seconds() if stage.options.timeout else 0.0)
        for controller in app.loaded.registry
        for stage in controller.stages
    )
    yield from check_host(read_host(folder), settings=os.environ, timeouts=timeouts)


def _check_settings() -> Iterator[Finding]:
    """Tell what the settings are with which this app runs; that it answers says that FUNCTIONS_WORKER_RUNTIME is right."""
    yield from check_hub(os.environ, _origin, is_app=True)
    yield from check_retention(os.environ, _origin)
    yield from check_account(os.environ, _origin)
    yield from check_disabled(os.environ)


def _no_folder() -> Iterator[Finding]:
    evidence = f"the app's folder is not known: {FOLDER} names none with a {HOST_FILE}"
    for name in (HOST_FILE, FUNCIGNORE, "backups"):
        yield _APP.not_checked(name, evidence, f"set {FOLDER} to it, or: jobkit doctor APP")


def _access(app: App, folder: Path | None) -> Access:
    def opened() -> AbstractContextManager[Opened]:
        return contextlib.nullcontext(Opened(ports=app.store, service=app.service))

    return Access(
        name="the azure store",
        hub=_hub(app) or "",
        open=opened,
        account=app.find_account,
        encoding="base64" if folder is None else message_encoding(read_host(folder), os.environ),
        option=" --store azure",
        to_write="POST /api/doctor",
        is_looked_after=True,
    )


def _hub(app: App) -> str | None:
    """Return the hub; None when the settings name none that there can be, which opening the store tells."""
    try:
        return app.hub
    except InvalidSetting:
        return None


def _folder(app: App) -> Path | None:
    """Find the app's folder: the one that Functions names, or that in whose vendor/jobkit the runtime is."""
    named = os.environ.get(FOLDER)
    folders = ([Path(named)] if named else []) + [app.place.parents[1]]
    return next((folder for folder in folders if (folder / HOST_FILE).is_file()), None)


def _module(settings: Mapping[str, str]) -> ModuleType | None:
    return sys.modules.get(_script(settings))


def _script(settings: Mapping[str, str]) -> str:
    return settings.get(SCRIPT, FUNCTION_APP).removesuffix(".py")


def _origin(_setting: str) -> str:
    return "the app's settings"
