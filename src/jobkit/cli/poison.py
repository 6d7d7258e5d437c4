"""`jobkit inspect poison`, `jobkit poison requeue`, `jobkit poison drop`."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime

import typer

from jobkit.runtime.clock import SystemClock
from jobkit.runtime.documents import poison_act_document, poison_document
from jobkit.runtime.errors import InvalidSetting, OptionsContradict
from jobkit.runtime.figures import counted
from jobkit.runtime.poison import ORIGINS, Done, Found, PoisonMessage
from jobkit.runtime.poison_acts import PoisonActs
from jobkit.runtime.poison_choice import Wanted
from jobkit.runtime.poison_search import PoisonSearch
from jobkit.runtime.service import Service
from jobkit.runtime.storage.ports import Queues

from .asking import confirm, who
from .choosing import JobFilter
from .output import INTERRUPTED, print_json, say, write_out
from .screens import Frame, How, present
from .session import open_without_code
from .stores import store_option, worker_hint


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedMessages(JobFilter):
    """What the user has typed: ids, a filter over messages and the jobs that they are about, or all."""

    ids: list[str]
    queue: str | None
    job: str | None
    is_all: bool = False

    @property
    def is_filter(self) -> bool:
        """Whether a filter has been typed."""
        return self.queue is not None or self.job is not None or self.has_fields

    @property
    def show_all_command(self) -> str:
        """The command that shows what is meant also where it comes after the first of a queue."""
        words = ["jobkit", "inspect", "poison", *self.ids]
        for name, value in (("--queue", self.queue), ("--job", self.job)):
            words += [name, value] if value is not None else []
        return shlex.join([*words, *self.words, "--all"])

    def wanted(self, now: datetime) -> Wanted:
        """Return the filter that it stands for. Raises InvalidSetting, InvalidFilter, OptionsContradict."""
        if self.queue is not None and self.queue not in ORIGINS:
            raise InvalidSetting(setting="--queue", value=self.queue, reason=f"give {' or '.join(ORIGINS)}")
        if self.job == "":
            raise InvalidSetting(setting="--job", value="", reason="give how the job's id begins")
        if self.is_filter and self.ids:
            raise OptionsContradict(option="a filter", reason="goes with no ids: give one of them")
        jobs = self.selection(now) if self.has_fields else None
        return Wanted(ids=self.ids, queue=self.queue, job=self.job, jobs=jobs)

    def check(self) -> None:
        """Raise OptionsContradict unless it is one of ids, a filter and all."""
        if self.is_all and (self.ids or self.is_filter):
            raise OptionsContradict(option="--all", reason="goes with no ids and no other filter")
        if not (self.is_all or self.ids or self.is_filter):
            raise OptionsContradict(
                option="MESSAGE_ID", reason="is missing: name messages, or give a filter or --all (see --help)"
            )


def show_poison(chosen: WantedMessages, *, how: How, store: str) -> None:
    """Run `jobkit inspect poison`."""
    how.check()
    if how.watch and chosen.is_all:
        raise OptionsContradict(option="--all", reason="takes each message for a moment: leave out --watch")
    if how.watch and chosen.ids:
        raise OptionsContradict(
            option="MESSAGE_ID", reason="may be gone at the next look: leave out --watch, or give a filter"
        )
    clock = SystemClock()
    chosen.wanted(clock.now())  # what is wrong is told before anything is opened
    with _open(store) as (service, queues):
        search = PoisonSearch(service, queues)

        def read() -> Frame:
            now = clock.now()
            found = search.find(chosen.wanted(now), take=chosen.is_all)
            from jobkit.views.poison import poison_view

            unseen = sum(found.unseen.values())
            return Frame(
                view=lambda _: poison_view(
                    found, now=now, show_all=chosen.show_all_command + store_option(store), store=store_option(store)
                ),
                document=lambda: poison_document(found),
                line=counted(len(found.messages), "poison message") + (f", {unseen:,} not seen" if unseen else ""),
            )

        present(read, how, title="jobkit inspect poison")


def requeue(chosen: WantedMessages, *, reason: str, dry_run: bool, json: bool, store: str) -> None:
    """Run `jobkit poison requeue`; exit code 1 when a message is left."""
    chosen.check()
    wanted = chosen.wanted(SystemClock().now())
    with _open(store) as (service, queues):
        found = PoisonSearch(service, queues).find(wanted, take=True)
        acts = PoisonActs(service, queues, by=who())
        done = _untouched(found.messages) if dry_run else acts.requeue(found.messages, reason=reason)
    _tell(chosen, found, done, verb="requeued", dry_run=dry_run, json=json, store=store)


def drop(chosen: WantedMessages, *, reason: str, dry_run: bool, yes: bool, json: bool, store: str) -> None:
    """Run `jobkit poison drop`; exit code 1 when a message is left."""
    chosen.check()
    wanted = chosen.wanted(SystemClock().now())
    with _open(store) as (service, queues):
        found = PoisonSearch(service, queues).find(wanted, take=True)
        done = _untouched(found.messages)
        if found.messages and not dry_run:
            if not yes:
                line = _lines(found)
                say("\n".join(line(each, each.outlook.state if each.outlook else "") for each in found.messages))
            these = "this message" if len(found.messages) == 1 else f"these {len(found.messages):,} messages"
            confirm(f"Drop {these}? What of them is ours is given up: its tasks fail, or its job.", yes=yes)
            done = PoisonActs(service, queues, by=who()).drop(found.messages, reason=reason)
    _tell(chosen, found, done, verb="dropped", dry_run=dry_run, json=json, store=store)


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


def _tell(
    chosen: WantedMessages, found: Found, done: Sequence[Done], *, verb: str, dry_run: bool, json: bool, store: str
) -> None:
    from jobkit.views.poison import escaped, none_line, not_seen_lines, state_of

    states = {each.id: "" for each in found.messages}
    if verb == "requeued":
        states = {each.id: state_of(each, store=store_option(store)) for each in found.messages}
    left = [each for each in done if each.why_left]
    line = _lines(found)
    if json:
        print_json(poison_act_document(found, done, verb=verb))
    elif not done:
        write_out(f"{none_line(found)}\n")
    else:
        outcome = f"would be {verb}" if dry_run else verb
        messages = [each.message for each in done if not each.why_left]
        write_out("".join(f"{line(each, states[each.id])}: {outcome}\n" for each in messages))
    for each in left:
        say(f"error: {line(each.message, '')}: left as it is: {each.why_left}")
    untold: Sequence[str] = () if chosen.ids else found.damaged  # what has an id was found
    for damaged in untold:
        say(f"error: {escaped(damaged)}")
    for note in not_seen_lines(found):
        say(note)
    if verb == "requeued" and len(done) > len(left) and not dry_run:
        say(worker_hint(store))
    if left or untold:
        raise typer.Exit(1)


def _lines(found: Found) -> Callable[[PoisonMessage, str], str]:
    """Return what says on one line which message is meant, what it is about and, if it is told, what of it is to do."""
    from jobkit.views.poison import id_length, what_it_is

    length = id_length(found.messages)

    def line(message: PoisonMessage, state: str) -> str:
        about = what_it_is(message) + (f" ({state})" if state else "")
        return f"message {message.id[:length]} of {message.queue}: {about}"

    return line
