"""host.json against how jobkit uses queues. Each figure's reason is in docs/functions.md.

Source of defaults and bounds: Microsoft's references of `host.json` and of the Queue storage bindings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from jobkit.runtime.loader import HOST_FILE
from jobkit.runtime.settings import LOCAL_SETTINGS

from .finding import Broken, Finding, Findings, Group

THREADS: Final = "PYTHON_THREADPOOL_THREAD_COUNT"
PROCESSES: Final = "FUNCTIONS_WORKER_PROCESS_COUNT"
#: What the host takes of each queue at once, where host.json does not say.
DEFAULT_BATCH: Final = 16
MOST_BATCH: Final = 32
#: The queues that have messages at once: jobs and tasks. Their poison queues are nearly always empty.
BUSY_QUEUES: Final = 2
#: Threads of Python's worker on one processor, where the setting does not say: min(32, processors + 4).
DEFAULT_THREADS: Final = 5
DEFAULT_DEQUEUES: Final = 5
BUNDLE: Final = {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"}
_QUEUES: Final = ("extensions", "queues")
_OVERRIDE: Final = "AzureFunctionsJobHost"
_VISIBILITY: Final = "00:00:30"
_SPAN: Final = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?")
_TELL: Final = Findings(Group.APP)
_PARTS: Final = ("host.json queues", "host.json threads", "host.json times")
#: From a file's name, the place of a value in it and the value to what sets it; None where that can't be done.
Mends: TypeAlias = Callable[[str, Sequence[str], Any], Callable[[], str] | None]


def no_mend(_file: str, _place: Sequence[str], _value: Any) -> None:
    """Mend nothing: what is deployed can't be changed where it runs."""


def read_host(folder: Path) -> dict[str, Any] | Broken:
    """Read a folder's host.json."""
    try:
        found: Any = json.loads((folder / HOST_FILE).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as exc:
        return Broken(reason=f"can't be read: {exc}")
    if not isinstance(found, dict):
        return Broken(reason="is no JSON object")
    return cast("dict[str, Any]", found)


def message_encoding(host: dict[str, Any] | Broken, settings: Mapping[str, str]) -> str:
    """Return how the host reads messages."""
    whole = {} if isinstance(host, Broken) else with_settings(host, settings)
    return str(_object(whole, *_QUEUES).get("messageEncoding", "base64")).lower()


def stage_timeouts(stages: Iterable[tuple[str, str, float]]) -> dict[str, float]:
    """Return the timeouts in seconds of those stages (job type, name, timeout) that have one, by a name."""
    return {f"{job_type}, {name!r}": timeout_s for job_type, name, timeout_s in stages if timeout_s}


def check_host(
    host: dict[str, Any] | Broken,
    *,
    settings: Mapping[str, str],
    timeouts: dict[str, float] | None,
    mends: Mends = no_mend,
) -> Iterator[Finding]:
    """Tell what of a host.json does not go with jobkit's queues.

    `timeouts` are those of stages in seconds, by a name, None where they are not known; `mends` makes what sets a value.
    """
    if isinstance(host, Broken):
        yield _TELL.error(HOST_FILE, host.reason, "correct it; it must be JSON without comments")
        for name in _PARTS:
            yield _TELL.not_checked(name, f"{HOST_FILE} can't be read", f"correct {HOST_FILE}")
        return
    host = with_settings(host, settings)
    queues = _object(host, *_QUEUES)
    yield from _whole(host, mends)
    yield from _messages(queues, mends)
    yield from _threads(host, queues, settings, mends)
    yield from _times(host, queues, timeouts)


def _whole(host: dict[str, Any], mends: Mends) -> Iterator[Finding]:
    sound = True
    if host.get("version") != "2.0":
        sound = False
        mend = mends(HOST_FILE, ["version"], "2.0")
        yield _TELL.error(HOST_FILE, f"version is {host.get('version')!r}", 'set "version": "2.0"', mend)
    bundle = host.get("extensionBundle")
    version = str(cast("dict[str, Any]", bundle).get("version", "")) if isinstance(bundle, dict) else ""
    major = re.match(r"[\[(]\s*(\d+)", version)
    if bundle is None:
        sound = False
        fix = f'add "extensionBundle": {json.dumps(BUNDLE)}'
        mend = mends(HOST_FILE, ["extensionBundle"], BUNDLE)
        yield _TELL.error(HOST_FILE, "it names no extensionBundle: there are no queue triggers", fix, mend)
    elif major is None or int(major.group(1)) < 4:
        sound = False
        fix = f'set the version of "extensionBundle" to "{BUNDLE["version"]}"'
        yield _TELL.warning(HOST_FILE, f"extensionBundle is {version!r}: Microsoft supports 4 and newer", fix)
    if "retry" in host:
        sound = False
        evidence = "it has a retry policy for all functions, beside maxDequeueCount and a stage's max_attempts"
        yield _TELL.warning(HOST_FILE, evidence, 'take "retry" away: tries have one owner, the stage')
    if sound:
        yield _TELL.ok(HOST_FILE, "version 2.0, with queue triggers, no retry policy of its own")


def _messages(queues: dict[str, Any], mends: Mends) -> Iterator[Finding]:
    sound = True
    name = _PARTS[0]
    encoding = queues.get("messageEncoding", "base64")
    if str(encoding).lower() != "base64":
        sound = False
        evidence = f"messageEncoding is {encoding!r}, and jobkit's messages are base64: all end in the poison queue"
        mend = mends(HOST_FILE, [*_QUEUES, "messageEncoding"], "base64")
        yield _TELL.error(name, evidence, 'set "messageEncoding": "base64"', mend)
    visibility = queues.get("visibilityTimeout", "00:00:00")
    seconds = seconds_of(visibility)
    if seconds is None:
        sound = False
        yield _TELL.error(name, f"visibilityTimeout is {visibility!r}, no time", f'set it to "{_VISIBILITY}"')
    elif seconds < 1:
        sound = False
        evidence = "visibilityTimeout is 0 (the default): a message whose function fails is tried to its end in 0.1 s"
        mend = mends(HOST_FILE, [*_QUEUES, "visibilityTimeout"], _VISIBILITY)
        yield _TELL.error(name, evidence, f'set "visibilityTimeout": "{_VISIBILITY}"', mend)
    dequeues = queues.get("maxDequeueCount", DEFAULT_DEQUEUES)
    if not isinstance(dequeues, int) or dequeues < 1:
        sound = False
        yield _TELL.error(name, f"maxDequeueCount is {dequeues!r}", f'set "maxDequeueCount": {DEFAULT_DEQUEUES}')
    elif dequeues < 3:
        sound = False
        evidence = f"maxDequeueCount is {dequeues}: a worker that is moved or restarted fails the tasks that it had"
        mend = mends(HOST_FILE, [*_QUEUES, "maxDequeueCount"], DEFAULT_DEQUEUES)
        yield _TELL.warning(name, evidence, f'set "maxDequeueCount": {DEFAULT_DEQUEUES}', mend)
    polling = queues.get("maxPollingInterval", "00:01:00")
    if (pause := _polling_seconds(polling)) is None or pause > 10:
        sound = False
        evidence = f"maxPollingInterval is {polling}: a stage that begins after a pause waits so long"
        mend = mends(HOST_FILE, [*_QUEUES, "maxPollingInterval"], "00:00:02")
        yield _TELL.warning(name, evidence, 'set "maxPollingInterval": "00:00:02"', mend)
    if sound:
        evidence = f"base64, {dequeues} deliveries {seconds:g} s apart, polled every {pause:g} s"
        yield _TELL.ok(name, evidence)


def _threads(
    host: dict[str, Any], queues: dict[str, Any], settings: Mapping[str, str], mends: Mends
) -> Iterator[Finding]:
    name = _PARTS[1]
    batch = queues.get("batchSize", DEFAULT_BATCH)
    threshold = queues.get("newBatchThreshold", batch // 2 if isinstance(batch, int) else 0)
    if not isinstance(batch, int) or not 1 <= batch <= MOST_BATCH or not isinstance(threshold, int) or threshold < 0:
        evidence = f"batchSize is {batch!r}, newBatchThreshold {threshold!r}"
        yield _TELL.error(name, evidence, f"set batchSize to 1 to {MOST_BATCH}, newBatchThreshold to 0 or more")
        return
    if _object(host, "concurrency").get("dynamicConcurrencyEnabled"):
        fix = 'take "dynamicConcurrencyEnabled" away, so that batchSize and newBatchThreshold hold'
        yield _TELL.warning(name, "dynamicConcurrencyEnabled: the host takes as many messages as it likes", fix)
        return
    needed = BUSY_QUEUES * (batch + threshold)
    given, processes = settings.get(THREADS, ""), settings.get(PROCESSES, "1")
    if (given and not given.isdigit()) or not processes.isdigit() or given == "0":
        evidence = f"{THREADS} is {given!r}, {PROCESSES} {processes!r}"
        yield _TELL.error(name, evidence, f"set {THREADS} to {needed}")
        return
    threads = int(given or DEFAULT_THREADS) * int(processes)
    taken = f"{BUSY_QUEUES} queues x ({batch} + {threshold}) = {needed} messages are taken at once"
    if threads >= needed:
        yield _TELL.ok(name, f"{threads} threads for {BUSY_QUEUES} queues x ({batch} + {threshold}) messages")
        return
    has = f"{threads} threads" if given else f"{threads} threads on one processor ({THREADS} is not set)"
    fix = f"set {THREADS}={needed} in the app's settings, here and in Azure, or lower batchSize and newBatchThreshold"
    mend = None if given else mends(LOCAL_SETTINGS, ["Values", THREADS], str(needed))
    yield _TELL.warning(name, f"{taken}, {has} work on them: the others wait while their leases run", fix, mend)


def _times(host: dict[str, Any], queues: dict[str, Any], timeouts: dict[str, float] | None) -> Iterator[Finding]:
    name = _PARTS[2]
    sound = True
    given = host.get("functionTimeout")
    most = None if given is None or given == "-1" else seconds_of(given)
    if given is None:
        sound = False
        fix = 'set "functionTimeout" to what the longest task needs ("00:10:00" is the most of the Consumption plan)'
        yield _TELL.warning(name, "functionTimeout is not set: 5 minutes on the Consumption plan, 30 elsewhere", fix)
    elif given != "-1" and not most:
        sound = False
        yield _TELL.error(name, f"functionTimeout is {given!r}, no time", 'set it to a time such as "00:10:00"')
    if timeouts is None:
        yield _TELL.not_checked(name, "the stages' timeouts are not known", "mend the controllers first")
        return
    lease = seconds_of(queues.get("visibilityTimeout", "00:00:00")) or 0.0
    for stage, timeout_s in timeouts.items():
        if most is not None and most < timeout_s:
            sound = False
            evidence = f"{stage}: tasks may be silent for {timeout_s:g} s, and functionTimeout ends them after {most:g}"
            yield _TELL.warning(name, evidence, "raise functionTimeout (if the plan allows), or lower the timeout")
        if timeout_s < lease:
            sound = False
            evidence = f"{stage}: taken for dead after {timeout_s:g} s, before its message is back after {lease:g}"
            yield _TELL.warning(name, evidence, "raise the stage's timeout above visibilityTimeout")
    if sound:
        yield _TELL.ok(name, f"functionTimeout {given}, no stage's timeout beyond it")


def with_settings(host: dict[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    """Return host.json as the host sees it: settings such as AzureFunctionsJobHost__functionTimeout stand above it."""
    whole: dict[str, Any] = json.loads(json.dumps(host))
    for name, value in settings.items():
        start, *names = name.split("__")
        if start != _OVERRIDE or not names:
            continue
        at = whole
        for part in names[:-1]:
            below: Any = at.setdefault(part, {})
            at = cast("dict[str, Any]", below) if isinstance(below, dict) else {}
        at[names[-1]] = int(value) if value.isdigit() else value
    return whole


def seconds_of(text: object) -> float | None:
    """Return the seconds of a time as host.json writes it, `[d.]hh:mm:ss`; None for what is none."""
    match = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _polling_seconds(value: object) -> float | None:
    """Return the seconds of maxPollingInterval, which may be milliseconds as well."""
    return value / 1_000 if isinstance(value, int | float) else seconds_of(value)


def _object(host: Mapping[str, Any], *names: str) -> dict[str, Any]:
    found: Any = host
    for name in names:
        found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
