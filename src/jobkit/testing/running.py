"""`run_job`: a controller whole, in memory, through the real protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from jobkit.runtime.controller import BaseController
from jobkit.runtime.definition import read_params
from jobkit.runtime.errors import InvalidParams, InvalidSource, WrongUsage
from jobkit.runtime.payload import plain_json
from jobkit.runtime.registry import Registry
from jobkit.runtime.stage import Stage

from .errors import NeverEnds, NeverReached
from .faults import Fault, FaultPlan, StageName, stage_number
from .host import Host, JobStore
from .looping import outside_of_a_loop
from .outcome import JobOutcome

J = TypeVar("J")

MAX_STEPS = 100_000


class RunJob(Protocol):
    """What the fixture `jobkit_run` is: `run_job` on a store of the test's own."""

    def __call__(
        self,
        controller: type[BaseController[J]],
        params: J | Mapping[str, Any] | None = None,
        *,
        stages: StageName | Sequence[StageName] = (),
        earlier: JobOutcome[Any] | str | Sequence[Any] | None = None,
        failures: Sequence[Fault] = (),
        again: bool = False,
        max_steps: int = MAX_STEPS,
        **fields: Any,
    ) -> JobOutcome[J]:
        """See `run_job`."""
        ...


def run_job(
    controller: type[BaseController[J]],
    params: J | Mapping[str, Any] | None = None,
    *,
    stages: StageName | Sequence[StageName] = (),
    earlier: JobOutcome[Any] | str | Sequence[Any] | None = None,
    failures: Sequence[Fault] = (),
    again: bool = False,
    store: JobStore | None = None,
    max_steps: int = MAX_STEPS,
    **fields: Any,
) -> JobOutcome[J]:
    """Run a controller's job to its end in the calling thread, and return what became of it.

    It goes through queues, claims, retries and lights out as in Azure, in memory; nothing waits: the clock moves on by
    itself. Tasks run one after another. A job that fails is an outcome like any other.

    Args:
        controller: The class.
        params: The parameters: the model, or a mapping. Or give each field by its name: `run_job(HelloWorlds, n=5)`.
        stages: Run these alone, as with `--stage`: consecutive ones, by name, number, slug or attribute.
        earlier: Where those read earlier results, as with `--from`: the outcome of another run, the id of a job in
            `store`, or a list of values.
        failures: What goes wrong, made by `fail` and `crash`; of two for the same moment the first.
        again: Run afresh, although `store` has this job.
        store: Where to run; by default a new store, or that of an outcome given as `earlier`.
        max_steps: How many deliveries, and how many tasks, the job may take.
        fields: Fields of the parameters. One that has the name of an option here goes into `params`.

    Raises:
        InvalidParams, InvalidSelection, InvalidSource, NotHashable, PayloadTooLarge: As `jobkit run` would refuse it.
        NeverEnds: The job takes more than `max_steps`.
        NeverReached: A failure did not happen.
    """
    _check_controller(controller)
    given: Any = params
    if fields:
        if params is not None:
            raise InvalidParams(
                job_type=controller.job_type, problems=[f"given twice: as an object, and as {', '.join(fields)}"]
            )
        given = fields
    numbers = _numbers(controller, stages)
    plan = FaultPlan.of(controller, failures, chosen=numbers or range(1, len(controller.stages) + 1))
    used = store or (earlier.store if isinstance(earlier, JobOutcome) else JobStore())
    source_job, source_list = _source(earlier, used)
    registry = Registry()
    registry.add(controller)
    host = Host(used, registry, plan, max_steps=max_steps)

    def run() -> str:
        submitted = host.service.submit(
            controller.job_type,
            {} if given is None else given,
            stages=[str(number) for number in numbers],
            source_job=source_job,
            source_list=source_list,
            again=again or isinstance(earlier, JobOutcome),
        )
        host.run(controller.job_type)
        return submitted.chain.job.job_id

    outcome = _outcome(controller, host, used, outside_of_a_loop(run))
    if unreached := plan.unreached(outcome.stages):
        raise NeverReached(job_type=controller.job_type, faults=unreached)
    return outcome


def _outcome(controller: type[BaseController[J]], host: Host, store: JobStore, job_id: str) -> JobOutcome[J]:
    repository = host.service.repository
    chain = repository.get_chain(job_id)
    outcome = JobOutcome(
        controller=controller,
        params=read_params(controller, chain.job.params_json),
        job=chain.job,
        stages=chain.stages,
        tasks=tuple(task for stage in chain.stages for task in repository.all_tasks(stage)),
        events=tuple(host.events),
        errors=tuple(host.errors),
        store=store,
    )
    if not chain.job.status.ended:
        reason = f"no message is left, and it is at stage {chain.job.stage}; {host.errors[-1:]}"
        raise NeverEnds(job_type=controller.job_type, reason=reason)
    return outcome


def _check_controller(controller: type[Any]) -> None:
    found: Any = controller  # users need not type
    is_one = isinstance(found, type) and issubclass(found, BaseController)
    if not is_one or getattr(controller, "job_type", None) is None:
        raise WrongUsage(f"{controller!r} is no controller: give a subclass of BaseController that has a job_type")


def _numbers(controller: type[BaseController[Any]], stages: StageName | Sequence[StageName]) -> list[int]:
    named = [stages] if isinstance(stages, str | Stage) else stages
    return sorted({stage_number(controller, stage) for stage in named})


def _source(earlier: JobOutcome[Any] | str | Sequence[Any] | None, store: JobStore) -> tuple[str | None, Any]:
    """Return the id of the job, or the list, that earlier results come from. Raises InvalidSource, NotJson."""
    if isinstance(earlier, JobOutcome):
        if earlier.store is not store:
            raise InvalidSource(source=earlier.job_id, reason="that job ran in another store: leave out `store`")
        return earlier.job_id, None
    if earlier is None or isinstance(earlier, str):
        return earlier, None
    return None, plain_json(list(earlier), what="the earlier results", where="earlier")
