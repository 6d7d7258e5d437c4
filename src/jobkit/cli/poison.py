"""`jobkit inspect poison`, `jobkit poison requeue`, `jobkit poison drop`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import typer

from jobkit.runtime.clock import SystemClock
from jobkit.runtime.documents import poison_act_document, poison_document
from jobkit.runtime.errors import InvalidSetting, OptionsContradict
from jobkit.runtime.figures import counted
from jobkit.runtime.poison import ORIGINS, Done, Found, PoisonMessage, Wanted
from jobkit.runtime.poison_acts import PoisonActs
from jobkit.runtime.poison_search import PoisonSearch
from jobkit.runtime.service import Service
from jobkit.runtime.storage.ports import Queues

from .asking import confirm, who
from .output import INTERRUPTED, print_json, say, write_out
from .screens import Frame, How, present
from .session import open_without_code
from .stores import store_option, worker_hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the user has typed."""

    ids: list[str]
    queue: str | None
    job: str | None
    is_all: bool = False

    @property
    def wanted(self) -> Wanted:
        """The filter that it stands for. Raises InvalidSetting."""
        if self.queue is not None and self.queue not in ORIGINS:
            raise InvalidSetting(setting="--queue", value=self.queue, reason=f"give {' or '.join(ORIGINS)}")
        return Wanted(ids=self.ids, queue=self.queue, job=self.job)

    def check(self) -> None:
        """Raise OptionsContradict unless it is one of ids, a filter and all."""
        is_filter = self.queue is not None or self.job is not None
        if self.is_all and (self.ids or is_filter):
            raise OptionsContradict(option="--all", reason="goes with no ids and no other filter")
        if not (self.is_all or self.ids or is_filter):
            raise OptionsContradict(option="ID", reason="is missing: name messages, or give --queue, --job or --all")


def show_poison(chosen: Chosen, *, how: How, store: str) -> None:
    """Run `jobkit inspect poison`."""
    how.check()
    if how.watch and chosen.is_all:
        raise OptionsContradict(option="--all", reason="takes each message for a moment: leave out --watch")
    wanted = chosen.wanted
    with _open(store) as (service, queues):
        search = PoisonSearch(service, queues)
        present(lambda: _frame(search.find(wanted, take=chosen.is_all), store), how, title="jobkit inspect poison")


def _frame(found: Found, store: str) -> Frame:
    from jobkit.views.poison import poison_view

    now = SystemClock().now()
    count = len(found.messages) + sum(found.unseen.values())
    return Frame(
        view=lambda _: poison_view(found, now=now, store=store_option(store)),
        document=lambda: poison_document(found),
        line=counted(count, "poison message"),
    )


def requeue(chosen: Chosen, *, reason: str, dry_run: bool, json: bool, store: str) -> None:
    """Run `jobkit poison requeue`; exit code 1 when a message is left."""
    chosen.check()
    with _open(store) as (service, queues):
        found = PoisonSearch(service, queues).find(chosen.wanted, take=True)
        acts = PoisonActs(service, queues, by=who())
        done = _untouched(found.messages) if dry_run else acts.requeue(found.messages, reason=reason)
    _tell(found, done, verb="requeued", dry_run=dry_run, json=json, store=store)


def drop(chosen: Chosen, *, reason: str, dry_run: bool, yes: bool, json: bool, store: str) -> None:
    """Run `jobkit poison drop`; exit code 1 when a message is left."""
    chosen.check()
    with _open(store) as (service, queues):
        found = PoisonSearch(service, queues).find(chosen.wanted, take=True)
        done = _untouched(found.messages)
        if found.messages and not dry_run:
            if not yes:
                line = _lines(found)
                say("\n".join(line(each, each.outlook.state if each.outlook else "") for each in found.messages))
            these = "this message" if len(found.messages) == 1 else f"these {len(found.messages):,} messages"
            confirm(f"Drop {these}? What of them is ours is given up: its tasks fail, or its job.", yes=yes)
            done = PoisonActs(service, queues, by=who()).drop(found.messages, reason=reason)
    _tell(found, done, verb="dropped", dry_run=dry_run, json=json, store=store)


@contextlib.contextmanager
def _open(store: str) -> Generator[tuple[Service, Queues]]:
    """Open the store; Ctrl-C leaves each message either done or as it was, and ends with exit code 130."""
    try:
        with open_without_code(store) as session:
            yield session.service(lambda _: None), session.store.store.queues
    except KeyboardInterrupt:
        say("interrupted: what was not done is as it was; the same command goes on with it")
        raise typer.Exit(INTERRUPTED) from None


def _untouched(messages: Sequence[PoisonMessage]) -> list[Done]:
    return [Done(message=message, is_done=False) for message in messages]


def _tell(found: Found, done: Sequence[Done], *, verb: str, dry_run: bool, json: bool, store: str) -> None:
    from jobkit.views.poison import state_of, unseen_lines

    states = {each.id: "" for each in found.messages}
    if verb == "requeued":
        states = {each.id: state_of(each, store=store_option(store)) for each in found.messages}
    left = [each for each in done if each.why_left]
    line = _lines(found)
    if json:
        print_json(poison_act_document(done, verb=verb))
    elif not done:
        write_out("no poison messages\n")
    else:
        outcome = f"would be {verb}" if dry_run else verb
        messages = [each.message for each in done if not each.why_left]
        write_out("".join(f"{line(each, states[each.id])}: {outcome}\n" for each in messages))
    for each in left:
        say(f"error: {line(each.message, '')}: left as it is: {each.why_left}")
    for unseen in unseen_lines(found, store=store_option(store)):
        say(unseen)
    if verb == "requeued" and len(done) > len(left) and not dry_run:
        say(worker_hint(store))
    if left:
        raise typer.Exit(1)


def _lines(found: Found) -> Callable[[PoisonMessage, str], str]:
    """Return what says on one line which message is meant, what it is about and, if it is told, what of it is to do."""
    from jobkit.views.poison import id_length, what_it_is

    length = id_length(found.messages)

    def line(message: PoisonMessage, state: str) -> str:
        about = what_it_is(message) + (f" ({state})" if state else "")
        return f"message {message.id[:length]} of {message.queue}: {about}"

    return line
