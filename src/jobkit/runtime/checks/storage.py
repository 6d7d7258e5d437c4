"""The store: reachable, writable, its clock near ours, and a message through it as the app will read it."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobkit.runtime.errors import JobkitError, MessageRefused, StoreDamaged, StoreTooNew, StoreUnavailable
from jobkit.runtime.messages import JOBS_QUEUE, Kind, Message, decode_message, encode_message
from jobkit.runtime.rows import INDEX
from jobkit.runtime.service import Service
from jobkit.runtime.storage.ports import Entity, Queues, Store

from .finding import Finding, Findings, Group

if TYPE_CHECKING:
    from jobkit.runtime.storage.azure_account import Account

#: Beyond it, displayed durations are wrong; Azure refuses requests from 15 minutes on.
MOST_SKEW_S: Final = 60.0
PARTITION: Final = "doctor"
_TELL: Final = Findings(Group.STORAGE)
_WRITE_FIX: Final = "see who may write: the file and its disk, or the roles Storage Table and Queue Data Contributor"
_WRITES: Final = ("writable", "clock", "round trip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open store, a service on it that knows no controllers, and what counts the processes at work, where that can be seen."""

    ports: Store
    service: Service
    living: Callable[[], int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to come to the store, and what is said of it.

    Attributes:
        name: What it is called.
        hub: The prefix of its queues.
        open: Opens it.
        path: The local one's file.
        account: The azure one's account; None for any other.
        encoding: How the app's host reads messages.
        option: What a command needs to use the same store.
        to_write: What checks by writing, said to those for whom nothing was written.
        is_looked_after: Whether a timer notes what the active jobs look like.
        repair: Repairs a job and tells what was done; None where nothing is mended.
    """

    name: str
    hub: str
    open: Callable[[], AbstractContextManager[Opened]]
    path: Path | None = None
    account: Callable[[], Account] | None = None
    encoding: str = "base64"
    option: str = ""
    to_write: str = "the same without --dry-run"
    is_looked_after: bool = False
    repair: Callable[[str], str] | None = None


def tell_unreachable(access: Access, exc: Exception) -> Iterator[Finding]:
    """Tell why a store could not be opened or asked; what needs it is not checked."""
    evidence = str(exc) if isinstance(exc, JobkitError) else f"{type(exc).__name__}: {exc}"
    if not isinstance(exc, StoreUnavailable):
        fix = "correct the settings that it names"
    elif isinstance(exc, StoreTooNew):
        fix = "install the jobkit that wrote it, or a newer one"
    elif isinstance(exc, StoreDamaged):
        fix = f"move {access.path or 'it'} away, and the next job makes a new one; its jobs are lost with it"
    elif access.path is not None:
        fix = f"see who may read and write {access.path}, and whether its disk is full"
    else:
        fix = "start Azurite (azurite), or see the account's name, key or identity's roles, and its network rules"
    yield _TELL.error("reachable", evidence, fix, unreachable=isinstance(exc, StoreUnavailable))
    yield not_written("the store can't be reached", "mend that first")
    for name in ("poison messages", "jobs"):
        yield Findings(Group.JOBS).not_checked(name, "the store can't be reached", "mend that first")


def check_reachable(access: Access, opened: Opened) -> Iterator[Finding]:
    """Ask tables and queues something. Raises StoreUnavailable."""
    queues, index = opened.ports.queues, opened.service.repository.index
    waiting = queues.length(JOBS_QUEUE)
    next(iter(index.active()), None)
    yield _TELL.ok("reachable", f"{access.name}: tables and queues answer; {waiting} in {JOBS_QUEUE}")


def check_writable(opened: Opened) -> Iterator[Finding]:
    """Write a row that is nobody's, read it back, and delete it."""
    tables, token = opened.ports.tables, secrets.token_hex(8)
    try:
        etag = tables.insert(INDEX, Entity(partition=PARTITION, row=token, properties={"text": token}))
        read = tables.get(INDEX, PARTITION, token).properties.get("text")
        tables.delete(INDEX, PARTITION, token, etag=etag)
    except StoreUnavailable as exc:
        yield _TELL.error("writable", str(exc), _WRITE_FIX)
        return
    if read == token:
        yield _TELL.ok("writable", "a row was written, read back and deleted")
    else:
        yield _TELL.error("writable", f"a row came back as {read!r}", "see whether the account has a proxy before it")


def check_message(access: Access, opened: Opened) -> Iterator[Finding]:
    """Send a message through a queue of its own, and read it as the app's host does; compare the clocks by it."""
    queue = f"{PARTITION}-{secrets.token_hex(4)}"
    message = Message(kind=Kind.PLAN, job_id="0" * 32, epoch="doctor", round=1, key="k", params_json='{"ü": "<&>"}')
    clock, queues = opened.service.clock, opened.ports.queues
    if access.account is not None:
        queues = _own_queues(
            access.account(), access.hub
        )  # the store's keep a client for each name that they were told
    before = clock.now()
    try:
        queues.send(queue, encode_message(message, key="k"))
    except StoreUnavailable as exc:
        yield _TELL.not_checked("clock", "no message can be sent", "mend the round trip first")
        yield _TELL.error(_WRITES[2], str(exc), _WRITE_FIX)
        return
    after = clock.now()
    if access.account is None:
        yield _TELL.ok("clock", "the local store counts by this machine's own")
        text = _taken(queues, queue)
        yield _judge_message(text, message, "a message came back from a queue as it was sent")
        return
    yield judge_clock(queues.peek(queue, limit=1)[0].inserted_at, before, after)
    text = _decoded(_taken_raw(access.account(), f"{access.hub}-{queue}"), access.encoding)
    yield _judge_message(text, message, f"a message came back from a queue as the app reads it ({access.encoding})")


def judge_clock(theirs: datetime, before: datetime, after: datetime) -> Finding:
    """Judge the store's clock by ours before and after it was asked."""
    skew_s = (theirs - (before + (after - before) / 2)).total_seconds()
    if abs(skew_s) <= MOST_SKEW_S:
        return _TELL.ok("clock", f"{abs(skew_s):.0f} s apart from the store's")
    evidence = (
        f"{abs(skew_s):,.0f} s {'behind' if skew_s > 0 else 'ahead of'} the store's: displayed durations are wrong"
    )
    fix = "set this machine's clock (timedatectl set-ntp true); in Azure, restart the app"
    return _TELL.warning("clock", evidence, fix)


def not_written(why: str, fix: str) -> Finding:
    """Tell why nothing was written to try the store."""
    return _TELL.not_checked(", ".join(_WRITES), why, fix)


def _judge_message(text: str, sent: Message, evidence: str) -> Finding:
    name = _WRITES[2]
    try:
        if decode_message(text) == sent:
            return _TELL.ok(name, evidence)
        reason = f"it says something else: {text[:80]!r}"
    except MessageRefused as exc:
        reason = str(exc)
    fix = 'set "messageEncoding": "base64" in host.json, and see that nothing else writes to the queues'
    return _TELL.error(name, f"the app can't read what is sent: {reason}", fix)


def _taken(queues: Queues, queue: str) -> str:
    found = queues.receive(queue, limit=1, visibility_s=30)[0]
    queues.delete(queue, found)
    return found.body


def _own_queues(account: Account, hub: str) -> Queues:
    """Make queues as the store's are."""
    from jobkit.runtime.storage.azure_queues import AzureQueues

    return AzureQueues(account.queue_service(), account.queue_service(retries=False), hub=hub)


def _taken_raw(account: Account, queue: str) -> str:
    """Take a message as it lies in an azure queue, and delete the queue."""
    from jobkit.runtime.storage.azure_errors import mapped_errors, place_of

    service: Any = account.queue_service()  # typed in part
    with mapped_errors(place_of(str(service.url)), queue):
        try:
            found = next(iter(service.get_queue_client(queue).receive_messages(max_messages=1)))
        finally:
            service.delete_queue(queue)
    return str(found.content)


def _decoded(text: str, encoding: str) -> str:
    """Read a message as the host does; one that is no base64 stays as it is, and is refused."""
    if encoding != "base64":
        return text
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return text
