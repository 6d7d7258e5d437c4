"""What may pass: a store or a machine that refuses for a while, a handler that tries to end its thread."""

from host_of import Host
from jobkit.runtime.errors import StoreUnavailable
from jobkit.runtime.messages import JOBS_QUEUE, TASKS_QUEUE
from waiting import wait_until


def test_threads_live_on_when_receiving_raises_whatever_it_is_and_say_so_meanwhile(host: Host):
    host.queues.failing = OSError(24, "Too many open files")
    instance = host.start(concurrency=2)
    wait_until(lambda: isinstance(instance.broken, StoreUnavailable), "the instance says that it is broken")

    host.queues.failing = None
    host.send(TASKS_QUEUE, "a", "b")
    host.send(JOBS_QUEUE, "c")

    host.wait_until_empty(TASKS_QUEUE)
    host.wait_until_empty(JOBS_QUEUE)
    wait_until(lambda: instance.broken is None, "it is no longer broken")


def test_a_handler_that_raises_system_exit_ends_no_thread(host: Host):
    def exits(queue: str, delivery: object) -> None:
        raise SystemExit(3)

    host._handle = exits  # noqa: SLF001 - instead of the host's own
    instance = host.start(concurrency=1, max_dequeue_count=1)
    host.send(TASKS_QUEUE, "a", "b", "c")

    host.wait_until_empty(TASKS_QUEUE)

    assert [error for _, _, error in host.errors[:3]] == ["3", "3", "3"]
    assert instance.stop(10) == 0
