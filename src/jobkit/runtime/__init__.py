"""What a controller imports, and what goes into the Function App."""

from .context import JobContext, TaskContext, TaskFailure, TaskResult
from .controller import BaseController, Params
from .identity import NotInId
from .signals import PermanentError, RetryLater
from .stage import Stage, stage

__all__ = [
    "BaseController",
    "JobContext",
    "NotInId",
    "Params",
    "PermanentError",
    "RetryLater",
    "Stage",
    "TaskContext",
    "TaskFailure",
    "TaskResult",
    "stage",
]
