"""What is submitted: parameters, stages and source of earlier results, checked and hashed to an id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from pydantic_core import PydanticSerializationError

from .controller import BaseController
from .definition import fields_not_in_id, params_adapter, select_stages, validate_params
from .errors import InvalidSelection, InvalidSource, NotHashable, NotJson
from .identity import canonical_identity, digest, hash_identity
from .model import Chain, JobRecord, StageState, Status
from .payload import MAX_RESULT_BYTES, Codec, check_size, plain_json
from .readings import shows_reading

JOB_SOURCE: Final = "job:"
LIST_SOURCE: Final = "list:"

_ANY = Codec(Any)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job that is wanted. `hashed` is what of the parameters is part of the id; `listed` an explicit source's text."""

    controller: type[BaseController[Any]]
    params_json: str
    hashed: Any
    stage_numbers: tuple[int, ...]
    source: str | None
    listed: str | None

    @property
    def stage_names(self) -> list[str]:
        """The names of the chosen stages."""
        return [self.controller.stages[number - 1].name for number in self.stage_numbers]

    def canonical(self, run: int) -> str:
        """Return the canonical JSON that the id is the hash of. Raises NotHashable."""
        whole = len(self.stage_numbers) == len(self.controller.stages)
        return canonical_identity(
            job_type=self.controller.job_type,
            version=self.controller.version,
            params=self.hashed,
            stages=None if whole else self.stage_numbers,
            source=self.source,
            run=run,
        )

    def job_id(self, run: int) -> str:
        """Return the id of a run. Raises NotHashable."""
        return hash_identity(self.canonical(run))

    def job(self, run: int, *, epoch: str, now: datetime) -> JobRecord:
        """Make the record of a run that is to be created."""
        return JobRecord(
            job_id=self.job_id(run),
            epoch=epoch,
            job_type=self.controller.job_type,
            version=self.controller.version,
            run=run,
            runs=run,
            status=Status.QUEUED,
            stage=self.stage_numbers[0],
            stage_numbers=self.stage_numbers,
            round=1,
            params_json=self.params_json,
            source=self.source,
            created_at=now,
            updated_at=now,
        )


def prepare(
    controller: type[BaseController[Any]],
    params: Any,
    *,
    chosen: Sequence[str],
    source_job: str | None,
    source_list: Any,
    find_chain: Callable[[str], Chain | None],
) -> Submission:
    """Check what is wanted. Raises InvalidParams, InvalidSelection, InvalidSource, NotHashable, PayloadTooLarge."""
    valid = _params_as_json(controller, params)
    params_json = check_size(_ANY.encode(valid, what="the parameters"), what="the parameters")
    hashed = valid
    if isinstance(valid, dict) and (left_out := fields_not_in_id(controller)):
        fields = cast("dict[str, Any]", valid)
        hashed = {name: value for name, value in fields.items() if name not in left_out}
    numbers = select_stages(controller, chosen) if chosen else tuple(range(1, len(controller.stages) + 1))
    source: str | None = None
    listed: str | None = None
    if source_job is not None or source_list is not None:
        if numbers[0] == 1:
            reason = "only a job that starts after stage 1 (--stage) reads earlier results"
            raise InvalidSource(source=source_job or "a list", reason=reason)
        if source_job is not None:
            check_source(find_chain(source_job), job_id=source_job, job_type=controller.job_type, before=numbers[0])
            source = JOB_SOURCE + source_job
        else:
            items = normalise_list(source_list, source="the list")
            try:
                text = _ANY.encode(items, what="the list")
            except NotJson as exc:
                raise InvalidSource(source="the list", reason=f"{exc.where} {exc.reason}") from exc
            listed = check_size(text, what="the list", limit_bytes=MAX_RESULT_BYTES)
            source = LIST_SOURCE + digest(listed)
    else:
        _check_needs_no_source(controller, numbers)
    return Submission(
        controller=controller,
        params_json=params_json,
        hashed=hashed,
        stage_numbers=numbers,
        source=source,
        listed=listed,
    )


def _params_as_json(controller: type[BaseController[Any]], params: Any) -> Any:
    """Return valid parameters, defaults filled in, as JSON data. Raises InvalidParams, NotHashable."""
    valid = validate_params(controller, params)
    adapter = params_adapter(controller)
    try:
        as_json = adapter.dump_python(valid, mode="json", round_trip=True, by_alias=False)
        canonical = _canonical(adapter.dump_python(valid, round_trip=True, by_alias=False), as_json)
        return plain_json(canonical, what="the parameters", where="params")
    except NotJson as exc:
        raise NotHashable(job_type=controller.job_type, reason=f"{exc.where} {exc.reason}") from exc
    except (PydanticSerializationError, UnicodeError, RecursionError) as exc:
        raise NotHashable(job_type=controller.job_type, reason=str(exc)) from exc


def _canonical(value: Any, as_json: Any) -> Any:
    """Return the JSON form of a value with its sets in order (their own changes from process to process).

    A NaN that pydantic makes null, where a field may be anything, stays NaN and is refused like any other.
    """
    inside, plain = value, as_json  # not narrowed, so that their items are Any
    if isinstance(value, float) and as_json is None:
        return inside
    if isinstance(value, dict) and isinstance(as_json, dict) and len(inside) == len(plain):
        pairs = zip(inside.values(), plain.items(), strict=True)
        return {name: _canonical(one, item) for one, (name, item) in pairs}
    if isinstance(value, list | tuple | set | frozenset) and isinstance(as_json, list) and len(inside) == len(plain):
        items = [_canonical(one, item) for one, item in zip(inside, plain, strict=True)]
        return sorted(items, key=repr) if isinstance(value, set | frozenset) else items
    return plain


def _check_needs_no_source(controller: type[BaseController[Any]], numbers: tuple[int, ...]) -> None:
    """Raise InvalidSelection when the code of a chosen stage shows that it reads an earlier one that is not chosen."""
    for number in numbers:
        stage = controller.stages[number - 1]
        for before, earlier in enumerate(controller.stages[: numbers[0] - 1], 1):
            if shows_reading(stage, earlier):
                reason = (
                    f"stage {number} {stage.name!r} reads the results of stage {before} {earlier.name!r}, which is not "
                    "chosen: name the job that has them, or a list of them (--from JOB|FILE|-)"
                )
                raise InvalidSelection(job_type=controller.job_type, reason=reason)


def check_source(chain: Chain | None, *, job_id: str, job_type: str, before: int) -> None:
    """Raise InvalidSource unless the job has ended the stages before `before`, as one of `job_type`."""
    if chain is None:
        raise InvalidSource(source=job_id, reason="there is no such job")
    if chain.job.job_type != job_type:
        raise InvalidSource(source=job_id, reason=f"it is a job of {chain.job.job_type}, not of {job_type}")
    stage = chain.find_stage(before - 1)
    if stage is None:
        raise InvalidSource(source=job_id, reason=f"it did not run stage {before - 1}")
    if stage.state is not StageState.CLOSED:
        raise InvalidSource(source=job_id, reason=f"its stage {before - 1} {stage.name!r} has not ended")


def normalise_list(items: Any, *, source: str) -> list[dict[str, Any]]:
    """Read an explicit list: results as jobkit prints them (`task_id`, `value`), or plain values.

    Raises InvalidSource.
    """
    if not isinstance(items, list):
        raise InvalidSource(source=source, reason="it must be a JSON array of results")
    out: list[dict[str, Any]] = []
    entries: list[Any] = items  # pyright: ignore[reportUnknownVariableType] - JSON
    for index, item in enumerate(entries):
        if isinstance(item, dict) and "value" in item and set(item) <= {"task_id", "index", "value"}:  # pyright: ignore[reportUnknownArgumentType] - JSON
            fields = cast("dict[str, Any]", item)
            out.append({"task_id": str(fields.get("task_id", f"item-{index}")), "value": fields["value"]})
        else:
            out.append({"task_id": f"item-{index}", "value": item})
    return out
