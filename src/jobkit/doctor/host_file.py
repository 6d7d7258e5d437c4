"""host.json of the app's folder, with what sets its values, and those of local.settings.json."""

from __future__ import annotations

from collections.abc import Iterator

from jobkit.runtime.checks import host_file
from jobkit.runtime.checks.finding import Broken, Finding

from .mending import values_set
from .subject import Subject


def check_host(subject: Subject) -> Iterator[Finding]:
    """Tell what of host.json does not go with jobkit's queues, nor with the stages' timeouts."""
    timeouts: dict[str, float] | None = None
    if not isinstance(subject.controllers, Broken):
        timeouts = host_file.stage_timeouts(
            (controller["job_type"], stage["name"], stage["timeout_s"])
            for controller in subject.controllers["controllers"]
            for stage in controller["stages"]
        )
    mends = values_set(subject.folder)
    yield from host_file.check_host(subject.host, settings=subject.known_settings, timeouts=timeouts, mends=mends)
