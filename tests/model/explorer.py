"""Every state that a case can reach: what may happen in one, and two orders of looking at them all."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from . import batches, giving_up, lights, operators, planning, processes, purging, tasks
from .invariants import Violation, check_end, check_step
from .rows import (
    JOB,
    PROCESSING,
    QUEUED,
    SEALED,
    TURN,
    Budgets,
    Delivery,
    Entry,
    Job,
    Message,
    Queued,
    State,
    Task,
    Worker,
    active_key,
    fresh_stage,
    is_ended,
    stage_key,
    task_key,
)
from .turn import DELETE, Turn

HANDLERS = {
    "submit": planning.submit,
    "plan": planning.plan,
    "dispatch": planning.dispatch_range,
    "task": tasks.task,
    "batch": batches.batch,
    "complete": lights.complete,
    "stop": giving_up.stop,
    "cancel": giving_up.stop,
    "settle": giving_up.settle_range,
    "reopen": operators.reopen,
    "cancel command": operators.cancel,
    "retry command": operators.retry,
    "repair command": operators.repair,
    "purge command": purging.purge,
    "again command": purging.purge,
    "killer": processes.killer,
}
POISONED = {
    ("tasks poison", "task"): giving_up.poisoned_task,
    ("tasks poison", "batch"): batches.poisoned_batch,
    ("tasks poison", "killer"): processes.poisoned_killer,
}
COMMANDS = "commands"


@dataclass(kw_only=True)
class Found:
    """What an exploration came to: states seen, ends among them, and the violation with the way into it, if any."""

    states: int
    ends: int
    violation: Violation | None = None
    trace: list[str] = field(default_factory=list)


def first_state(case):
    """Return the world before anything happens."""
    rows = {}
    messages = [Queued(f"c{i}", COMMANDS, f"c{i}", Message(kind), 0, False) for i, kind in enumerate(case.commands)]
    if case.sealed:
        job = Job("c0", PROCESSING, 1, 1)
        plan = 1 if "no_epoch" in case.without else ("c0", 1)
        rows[JOB] = Entry(job, 0)
        for number in range(1, case.stages + 1):
            rows[stage_key(number)] = Entry(fresh_stage(), 0)
        stage = fresh_stage()._replace(state=SEALED, plan=plan, count=case.sealed, owner=("p", 1, "p"), takes=1)
        rows[stage_key(1)] = Entry(stage, 0)
        if case.index:
            rows[active_key(job, case.without)] = Entry(1, 0)
        for index in range(case.sealed):
            rows[task_key(Message("task", stage=1, plan=plan), index)] = Entry(
                Task(QUEUED, 1, 1, None, 0, ("c0", "p", 1)), 0
            )
        heads = range(min(case.lanes or case.sealed, case.sealed))
        for first, size, _ in planning.runs([(index, 0) for index in heads], case):
            body = Message("task", "c0", 1, plan, 1, first, size, 1, case.sealed, 0 if case.hints else None)
            messages.append(Queued(f"t{first}", "tasks", f"t{first}", body, 0, False))
    if case.killer_beside:
        messages.append(Queued("k", "tasks", "k", Message("killer"), 0, False))
    budgets = Budgets(case.crashes, case.expiries, case.duplicates, case.doubtful, case.quiet_repairs, case.impatience)
    return State(frozenset(rows.items()), tuple(sorted(messages)), (None,) * case.workers, budgets)


def successors(case, state):
    """Yield (what happens, the state after it, the violation in it or None) for all that may happen next."""
    yield from _deliveries(case, state)
    rows = dict(state.rows)
    for slot, worker in enumerate(state.workers):
        if worker is not None:
            yield from _moves(case, state, rows, slot, worker)


def _deliveries(case, state):
    free = None in state.workers
    for message in state.messages:
        if message.leased:
            if state.budgets.expiries and message.queue != COMMANDS:
                after = _with(state.messages, message, message._replace(leased=False))
                budgets = state.budgets._replace(expiries=state.budgets.expiries - 1)
                yield f"{message.id}: THE LEASE RUNS OUT", state._replace(messages=after, budgets=budgets), None
        elif message.deliveries >= case.max_deliveries and message.queue in ("jobs", "tasks"):
            moved = Queued(message.id + "!", message.queue + " poison", message.key, message.body, 0, False)
            yield (
                f"{message.id}: moves to the poison queue",
                state._replace(messages=_with(state.messages, message, moved)),
                None,
            )
        elif free:
            number = message.deliveries + 1
            delivery = Delivery(message.id, message.key, message.body.turn * TURN + number, message.body, message.queue)
            step = processes.WAITS if processes.is_gated(case, message) else _handler(message)
            worker = Worker(delivery, step, ())
            after = _with(state.messages, message, message._replace(deliveries=number, leased=True))
            what = f"{message.id}: delivery {number} of a {message.body.kind} message ({message.queue})"
            yield what, state._replace(messages=after, workers=_workers(state.workers, None, worker)), None


def _handler(message):
    if message.queue == "jobs poison":
        return giving_up.poisoned_job_message
    kind = "batch" if message.body.kind == "task" and message.body.size > 1 else message.body.kind
    return POISONED.get((message.queue, kind)) or HANDLERS[kind]


def _moves(case, state, rows, slot, worker):
    delivery = worker.delivery
    who = f"{delivery.id} #{delivery.number}"
    budgets = state.budgets
    command = delivery.queue == COMMANDS
    if budgets.crashes and (case.commands_crash or not command):
        messages = _released(state.messages, delivery, delete=command)
        workers = _workers(state.workers, worker, None)
        yield (
            f"{who}: CRASHES",
            State(state.rows, messages, workers, budgets._replace(crashes=budgets.crashes - 1)),
            None,
        )
    if worker.step is processes.WAITS:
        yield from _waits(case, state, rows, worker)
        return
    if processes.kills(case, worker):
        messages = state.messages
        for other in state.workers:
            if other is not None and other.delivery.queue != COMMANDS:
                messages = _released(messages, other.delivery, delete=False)
        left = [other if other and other.delivery.queue == COMMANDS else None for other in state.workers]
        workers = tuple(sorted(left, key=_by_delivery))
        yield f"{who} KILLS ITS PROCESS", State(state.rows, messages, workers, budgets), None
        return
    if worker.step == DELETE:
        messages = _released(state.messages, delivery, delete=True)
        yield (
            f"{who}: deletes its message",
            State(state.rows, messages, _workers(state.workers, worker, None), budgets),
            None,
        )
        return
    choice, options = 0, 1
    while choice < options:
        turn, after, broken = _step(case, state, rows, worker, "", choice)
        options = turn.options
        yield _Label(who, worker, turn), after, broken
        if turn.applied and budgets.doubtful:
            less = budgets._replace(doubtful=budgets.doubtful - 1)
            turn, after, broken = _step(case, state._replace(budgets=less), rows, worker, "doubtful", choice)
            yield _Label(who, worker, turn), after, broken
        if turn.sent and budgets.duplicates:
            less = budgets._replace(duplicates=budgets.duplicates - 1)
            turn, after, broken = _step(case, state._replace(budgets=less), rows, worker, "twice", choice)
            yield _Label(who, worker, turn), after, broken
        choice += 1


def _waits(case, state, rows, worker):
    """Yield that a worker's turn has come, or that it gives up waiting."""
    delivery = worker.delivery
    if processes.may_begin(case, state.workers, worker):
        begun = Worker(delivery, _handler(delivery), ())
        alone = ", alone" if processes.is_suspect(case, delivery) else ""
        workers = _workers(state.workers, worker, begun)
        yield f"{delivery.id} #{delivery.number} begins{alone}", state._replace(workers=workers), None
    elif state.budgets.impatience:
        less = state.budgets._replace(impatience=state.budgets.impatience - 1)
        tired = Worker(delivery, processes.step_aside, ())
        turn, after, broken = _step(case, state._replace(budgets=less), rows, worker, "", 0, tired)
        yield _Label(f"{delivery.id} #{delivery.number}", tired, turn), after, broken


class _Label:
    """What a step did, put into words only when somebody reads it."""

    def __init__(self, who, worker, turn):
        self._said = who, worker, turn

    def __str__(self):
        who, worker, turn = self._said
        return f"{who} {worker.step.__name__}: {turn.call}"


def _step(case, state, rows, worker, fault, choice, doing=None):
    doing = doing or worker
    turn = Turn(case, rows, worker.delivery, state.messages, fault, choice)
    following = doing.step(turn, *doing.args)
    broken = check_step(case, rows, turn, doing.step.__name__) if turn.writes or turn.sent else None
    messages = turn.messages
    if following is DELETE:
        after = Worker(worker.delivery, DELETE, ())
    elif isinstance(following, Worker):
        after = Worker(turn.delivery, following.step, following.args)
    else:
        after = None
        messages = _released(messages, worker.delivery, delete=False)
    new_rows = frozenset(turn.rows.items()) if turn.writes else state.rows
    if messages is not state.messages:
        messages = tuple(sorted(messages, key=_by_id))
    return turn, State(new_rows, messages, _workers(state.workers, worker, after), state.budgets), broken


def _by_id(message):
    return message.id


def _with(messages, old, new):
    return tuple(sorted((new if message is old else message for message in messages), key=_by_id))


def _released(messages, delivery, *, delete):
    """Delete a delivery's message or end its lease, if its receipt is still the newest."""
    for message in messages:
        if message.id == delivery.id and message.deliveries == delivery.number % TURN:
            if delete:
                return tuple(other for other in messages if other is not message)
            return tuple(other if other is not message else message._replace(leased=False) for other in messages)
    return messages


def _by_delivery(worker):
    return ("", 0) if worker is None else (worker.delivery.id, worker.delivery.number)


def _workers(workers, old, new):
    """Replace a worker; they are alike, so their order says nothing."""
    changed = list(workers)
    changed[changed.index(old)] = new
    return tuple(sorted(changed, key=_by_delivery))


def _rest(case, state):
    """Return what a state is that has no successors: an end, or one in which a repair may still run."""
    rows = dict(state.rows)
    job = rows.get(JOB, Entry(None, 0)).row
    active = any(key[0] == "active" and entry.row for key, entry in state.rows)
    unfinished = job is not None and (active if case.index else not is_ended(job))
    if state.budgets.repairs and unfinished:
        budgets = state.budgets._replace(repairs=state.budgets.repairs - 1)
        name = f"repair{budgets.repairs}"
        command = Queued(name, COMMANDS, name, Message("repair command"), 0, False)
        return "all is quiet: a repair begins", state._replace(messages=(command,), budgets=budgets), None
    return "the end", None, check_end(case, state, rows)


def expand(case, state):
    """Return a state's successors; of one that has none, what `_rest` says."""
    found = list(successors(case, state))
    return found or [_rest(case, state)]


def explore(case, *, limit=5_000_000):
    """Look at every state, depth first, and at every cycle: without one, every run comes to an end.

    Stops at the first violation. The way into it is any, not the shortest: `shortest` finds that.
    """
    start = first_state(case)
    is_open = {start: True}
    stack = [(start, iter(expand(case, start)))]
    ends = 0
    while stack:
        state, rest = stack[-1]
        for _, after, broken in rest:
            if broken is not None:
                return Found(states=len(is_open), ends=ends, violation=broken)
            if after is None:
                ends += 1
                continue
            known = is_open.get(after)
            if known:
                return Found(states=len(is_open), ends=ends, violation=Violation("ends", "a cycle"))
            if known is None:
                if len(is_open) >= limit:
                    raise RuntimeError(f"more than {limit:,} states")
                is_open[after] = True
                stack.append((after, iter(expand(case, after))))
                break
        else:
            is_open[state] = False
            stack.pop()
    return Found(states=len(is_open), ends=ends)


def shortest(case, *, limit=5_000_000):
    """Look at states breadth first until one violates; return the shortest way into it."""
    start = first_state(case)
    came_from = {start: None}
    todo = deque([start])
    ends = 0
    while todo:
        state = todo.popleft()
        for label, after, broken in expand(case, state):
            if broken is not None:
                return Found(
                    states=len(came_from), ends=ends, violation=broken, trace=[*_way(came_from, state), str(label)]
                )
            if after is None:
                ends += 1
            elif after not in came_from:
                if len(came_from) >= limit:
                    raise RuntimeError(f"more than {limit:,} states")
                came_from[after] = (state, str(label))
                todo.append(after)
    return Found(states=len(came_from), ends=ends)


def _way(came_from, state):
    labels = []
    while came_from[state] is not None:
        state, label = came_from[state]
        labels.append(label)
    return labels[::-1]
