"""`--stage "cut tiles:fan-out"`: a stage that is to be generated, its kind and what the kind needs before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from jobkit.runtime.controller import MAX_STAGES
from jobkit.runtime.errors import WrongUsage, did_you_mean
from jobkit.runtime.model import slug_of

from .literals import LONGEST_NAME

DEFAULT_STAGES: Final = ("run",)


class Kind(StrEnum):
    """How many tasks a stage has, and what they work on."""

    #: One task.
    SINGLE = "single"
    #: A task for each item that its fan-out yields.
    FAN_OUT = "fan-out"
    #: One task, which reads all results of the stage before.
    FAN_IN = "fan-in"
    #: A task for each result of the stage before.
    PER_RESULT = "per-result"

    @property
    def reads_results(self) -> bool:
        """Whether it needs a stage before it."""
        return self in (Kind.FAN_IN, Kind.PER_RESULT)

    @property
    def has_items(self) -> bool:
        """Whether it has a fan-out."""
        return self in (Kind.FAN_OUT, Kind.PER_RESULT)


class InvalidStage(WrongUsage):
    """Raised when a stage can't be generated."""

    def __init__(self, *, stage: str, reason: str) -> None:
        """Name the stage as it was given, and what is wrong."""
        self.stage, self.reason = stage, reason
        super().__init__(f"--stage {stage!r}: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """A stage as it was asked for."""

    name: str
    kind: Kind

    @property
    def slug(self) -> str:
        """The name as it can be typed."""
        return slug_of(self.name)


def parse_stages(texts: Sequence[str]) -> tuple[StageSpec, ...]:
    """Read stages, `NAME` or `NAME:KIND`, in their order; without any there is one. Raises InvalidStage."""
    stages: list[StageSpec] = []
    for text in texts or DEFAULT_STAGES:
        stages.append(_parse(text, stages))
    if len(stages) > MAX_STAGES:
        raise InvalidStage(stage=texts[MAX_STAGES], reason=f"{MAX_STAGES} stages are the most")
    return tuple(stages)


def _parse(text: str, before: Sequence[StageSpec]) -> StageSpec:
    name, colon, word = text.rpartition(":")
    if not colon:
        name, word = text, Kind.SINGLE.value
    name, word = name.strip(), word.strip()
    kinds = [kind.value for kind in Kind]
    if word not in kinds:
        reason = f"there is no kind {word!r}, only {', '.join(kinds)}.{did_you_mean(word, kinds)}"
        raise InvalidStage(stage=text, reason=reason)
    stage = StageSpec(name=name, kind=Kind(word))
    if not stage.slug:
        raise InvalidStage(stage=text, reason="the name needs a letter or digit")
    if not name.isprintable() or len(name) > LONGEST_NAME:
        raise InvalidStage(stage=text, reason=f"give a name of up to {LONGEST_NAME} printable characters")
    for other in before:
        if other.slug == stage.slug:
            raise InvalidStage(stage=text, reason=f"its name is too much like that of {other.name!r}")
    if stage.kind.reads_results and not before:
        raise InvalidStage(
            stage=text, reason=f"a {word} stage works on the results of the one before it: it can't be the first"
        )
    return stage
