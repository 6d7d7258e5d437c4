"""`jobkit run`: submit a job, work on it here, show its progress and its result."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Final

import typer

from jobkit.local.host import Instance
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.documents import job_document
from jobkit.runtime.errors import StoreUnavailable
from jobkit.runtime.events import Action, Event
from jobkit.runtime.model import Chain, Status
from jobkit.runtime.service import Service, Submitted
from jobkit.views.progress import stage_line

from .fleet import Fleet
from .jobargs import JobArguments, run_job_command
from .joboptions import RUN_OPTIONS
from .output import INTERRUPTED, err, foreign_output_on_stderr, is_piped, print_json, say, show, write_out
from .session import Session, open_session, stop_instance
from .stores import AZURE
from .telling import EventLog, ProgressLines
from .watch import JobWatch

if TYPE_CHECKING:
    from jobkit.testing.shares import Shares

    from .chaos import RunChaos

POLL_S: Final = 0.5
FRAME_S: Final = 0.1
GRACE_S: Final = 5.0
TIDY_POLL_S: Final = 0.01
TIDY_S: Final = 10.0  # longer than a busy account takes for a message; an `on_complete` that runs then has GRACE_S more
BROKEN_S: Final = 10.0
AZURE_BROKEN_S: Final = 60.0  # the same of a storage account
TIMED_OUT: Final = 4
STOPPING: Final = f"stopping: running tasks have {GRACE_S:g} s to end (Ctrl-C again leaves at once)"


def main(arguments: Sequence[str]) -> None:
    """Run `jobkit run`."""
    run_job_command("run", arguments, RUN_OPTIONS, run_job)


def run_job(arguments: JobArguments) -> None:
    """Submit a job, work on it, show it; the exit code is the job's."""
    shares = _read_shares(arguments)
    with open_session(arguments.store, project=arguments.project, loaded=arguments.loaded) as session:
        try:
            code = _Run(arguments, session, shares).run()
        except KeyboardInterrupt:  # before its instance has begun, or while the result is shown
            say(f"interrupted{_next_command('Nothing is lost. Go on with', arguments)}")
            code = INTERRUPTED
    if code:
        raise typer.Exit(code)


def _read_shares(arguments: JobArguments) -> Shares | None:
    """Return what is to be disturbed, None for nothing. Raises InvalidSetting, OptionsContradict."""
    chaos, seed = arguments.extra["chaos"], arguments.extra["seed"]
    if chaos is None and seed is None:
        return None
    from .chaos import read_shares  # only for those who use it

    return read_shares(chaos, seed, store=arguments.store)


def _next_command(what_for: str, arguments: JobArguments) -> str:
    return f"\n{what_for}:\n  {arguments.go_on_command()}" if arguments.lasting else ""


class _Run:
    """One call of `jobkit run`."""

    def __init__(self, arguments: JobArguments, session: Session, shares: Shares | None) -> None:
        self._arguments = arguments
        self._session = session
        self._shares = shares
        self._chaos: RunChaos | None = None
        self._clock = SystemClock()
        self._started = time.monotonic()
        timeout = arguments.extra["timeout"]
        self._took_s = 0.0
        self._left = 0
        self._fleet: Fleet | None = None
        self._deadline = None if timeout is None else self._started + timeout

    def run(self) -> int:
        """Submit, work, show; return the exit code."""
        submitted = self._arguments.submit(self._session.service(lambda _: None))
        try:
            return self._go_on(submitted)
        finally:
            self._end_chaos()

    def _go_on(self, submitted: Submitted) -> int:
        chain = submitted.chain
        watch = JobWatch(chain.job.job_id)
        log = EventLog()

        def observe(event: Event, instance: int = 1) -> None:
            watch.observe(event, instance)
            log.observe(event, instance)

        self._observe = observe
        verb = "created" if submitted.created else "already there" if chain.job.status.ended else "goes on"
        say(f"job {chain.job.job_id} {verb}")
        if self._shares is not None:
            from .chaos import RunChaos  # only for those who use it

            self._chaos = RunChaos.of_run(self._session.store, self._shares, chain.job)
        self._service: Service = self._session.service(observe, chaos=self._chaos)
        if not chain.job.status.ended:
            chain = watch.poll(self._service.repository)
        if not chain.job.status.ended:
            with foreign_output_on_stderr():
                code = self._work(watch)
            if code:
                return code
            chain = watch.poll(self._service.repository)
        else:
            chain = self._service.repository.get_chain(chain.job.job_id)
        self._show(chain, watch)
        return self._leave(self._left, 0 if chain.job.status is Status.COMPLETED else 1)

    def _work(self, watch: JobWatch) -> int:
        """Work until the job has ended; return 0 then, or the exit code of what came in between."""
        extra = self._arguments.extra
        instance = self._session.instance(self._service, concurrency=extra["concurrency"], chaos=self._chaos)
        fleet = self._fleet = Fleet(
            size=extra["instances"] - 1,
            store_name=self._session.store_name,
            concurrency=extra["concurrency"],
            job_id=watch.job_id,
            chaos_words=self._chaos.words if self._chaos is not None else [],
            observe=self._observe,
            lost=lambda number: self._instance_lost(watch, number),
        )
        try:
            with interrupts_by("SIGTERM"):  # before anything runs that would be left
                instance.start()
                fleet.start()
                with self._display(watch) as show:
                    ended = self._wait(watch, instance, show)
            self._took_s = time.monotonic() - self._started
            if not ended:
                seconds = self._arguments.extra["timeout"]
                instance.stop(0)  # from here on nothing more is begun
                say(f"time is up after {seconds:g} s: running tasks have {GRACE_S:g} s to end (Ctrl-C leaves at once)")
                left = self._stop(instance)
                if not watch.poll(self._service.repository).job.status.ended:
                    say(f"stopped: {self._what_is_left(watch)}")
                    return self._leave(left, TIMED_OUT)
        except KeyboardInterrupt:
            return self._interrupted(watch, instance)
        except StoreUnavailable:
            instance.stop(0)  # nothing of what still runs could be recorded
            fleet.stop(0)
            raise
        self._left = self._stop(instance)
        return 0

    def _stop(self, instance: Instance) -> int:
        """Stop all instances; return how many messages this process is still at work on."""
        if self._fleet is None:
            return stop_instance(instance, self._chaos, GRACE_S)
        others = threading.Thread(target=self._fleet.stop, args=(GRACE_S,), daemon=True)
        others.start()
        left = stop_instance(instance, self._chaos, GRACE_S)
        others.join()
        return left

    def _instance_lost(self, watch: JobWatch, number: int) -> None:
        watch.lost(number)
        say(f"warning: instance {number} died; its tasks are taken over")

    def _wait(self, watch: JobWatch, instance: Instance, show: Callable[[], None]) -> bool:
        """Wait for the job's end; False when the time ran out first. Raises StoreUnavailable."""
        polled = time.monotonic()
        broken_since: float | None = None
        while not watch.ended.is_set():
            now = time.monotonic()
            if self._deadline is not None and now >= self._deadline:
                return False
            broken = instance.broken
            if broken is None or (self._chaos is not None and self._chaos.injected(broken)):
                broken_since = None
            elif broken_since is None:
                broken_since = now
            elif now - broken_since > self._patience_s:
                raise broken
            if watch.changed.is_set() or now - polled >= POLL_S:
                watch.changed.clear()
                polled = now
                with contextlib.suppress(StoreUnavailable):  # `broken` tells when that lasts
                    watch.poll(self._service.repository)
            if self._fleet is not None:
                self._fleet.tend()
            show()
            watch.ended.wait(FRAME_S)
        self._poll_at_last(watch)
        show()
        self._wait_until_tidied(watch.job_id)
        return True

    @property
    def _patience_s(self) -> float:
        """How long the store may fail: an account comes back by itself, a full disk does not."""
        return AZURE_BROKEN_S if self._session.store_name == AZURE else BROKEN_S

    def _poll_at_last(self, watch: JobWatch) -> None:
        """Read what the job has come to; the store may just be failing. Raises StoreUnavailable when that lasts."""
        until = time.monotonic() + self._patience_s
        while True:
            try:
                watch.poll(self._service.repository)
            except StoreUnavailable:
                if time.monotonic() > until:
                    raise
                time.sleep(POLL_S)
            else:
                return

    def _wait_until_tidied(self, job_id: str) -> None:
        """Go on working until `on_complete` was called for a job that has ended, if somebody does that before long."""
        until = time.monotonic() + TIDY_S
        repository = self._service.repository
        with contextlib.suppress(StoreUnavailable):  # whoever works on the store next does it
            while repository.index.is_active(repository.get_chain(job_id).job):
                if time.monotonic() > until:
                    return
                time.sleep(TIDY_POLL_S)

    @contextlib.contextmanager
    def _display(self, watch: JobWatch) -> Generator[Callable[[], None]]:
        """Give a function that shows the progress: bars on a terminal, lines elsewhere."""
        if not sys.stderr.isatty() or err().is_dumb_terminal:
            lines = ProgressLines(watch, self._clock)
            yield lines.show
            return
        from rich.live import Live

        from jobkit.views.progress import progress_view

        with Live(console=err(), auto_refresh=False, transient=False) as live:

            def show() -> None:
                live.update(progress_view(watch.stages(self._clock.now())), refresh=True)

            yield show

    def _interrupted(self, watch: JobWatch, instance: Instance) -> int:
        left = 1
        with contextlib.suppress(KeyboardInterrupt):
            instance.stop(0)  # from here on nothing more is begun
            say(STOPPING)
            left = self._stop(instance)
        say(f"interrupted: {self._what_is_left(watch)}")
        return self._leave(left, INTERRUPTED)

    def _what_is_left(self, watch: JobWatch) -> str:
        chain = watch.poll(self._service.repository)
        if chain.job.status.ended:
            left, next_command = f"the job has {chain.job.status.value} meanwhile", "See it with"
        else:
            open_stages = [s for s in watch.stages(self._clock.now()) if not s.status.ended]
            left = stage_line(open_stages[0]) if open_stages else "the result is still to be aggregated"
            next_command = "Nothing is lost. Go on with"
        return left + _next_command(next_command, self._arguments)

    def _end_chaos(self) -> dict[str, Any] | None:
        """Tell what chaos came to, and return it as JSON data; None without, or when that has been done."""
        chaos, self._chaos = self._chaos, None
        return None if chaos is None else chaos.end()

    def _leave(self, left: int, code: int) -> int:
        self._end_chaos()
        if left:  # tasks still run in threads that can't be stopped: leave without waiting for them
            self._session.store.close()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        return code

    def _show(self, chain: Chain, watch: JobWatch) -> None:
        run = watch.tasks_run
        rate = f" ({run / self._took_s:,.0f} a second)" if run > 1 else ""
        more = [
            (watch.counts[Action.RETRYING], "retried"),
            (watch.counts[Action.TAKEN_OVER], "delivered again"),
            (self._fleet.lost_count if self._fleet is not None else 0, "instances lost"),
        ]
        tasks = f"{run:,} {'task' if run == 1 else 'tasks'} run in {self._took_s:.2f} s{rate}"
        say(", ".join([tasks, *(f"{n:,} {what}" for n, what in more if n)]))
        chaos = self._end_chaos()
        if self._arguments.json:
            print_json(job_document(chain) | ({} if chaos is None else {"chaos": chaos}))
            return
        from jobkit.views.job import job_view

        show(job_view(chain, whole=is_piped()))
        write_out(f"\nLook again: jobkit inspect job {chain.job.job_id[:12]}{self._arguments.store_option}\n")


@contextlib.contextmanager
def interrupts_by(*names: str) -> Generator[None]:
    """Let these signals end the run as Ctrl-C does, unless they are ignored (nohup) or unknown to this system."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
