"""What the timer does: it repairs jobs that do not move, and purges what is older than JOBKIT_RETENTION."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from typing import Final

from jobkit.runtime.caretaking import Care, Caretaker
from jobkit.runtime.errors import InvalidSetting
from jobkit.runtime.settings import retention

from .app import App

SCHEDULE: Final = "0 */5 * * * *"  # each five minutes; the host sees to it that one instance alone does it
MOST: Final = timedelta(minutes=3)  # below the five that a function has by default, and the time between two
_LOGGER: Final = logging.getLogger("jobkit")


def look_after_jobs(app: App) -> Care:
    """Look after all jobs, for a few minutes at most, and log what was done. Raises StoreUnavailable."""
    keep: timedelta | None = None
    try:
        keep = retention(os.environ)
    except InvalidSetting as exc:  # nothing is deleted by a guess
        _LOGGER.error("nothing is purged: %s", exc)
    care = Caretaker(app.service, by="the repair timer").look_after(retention=keep, most=MOST)
    for job, finding in care.mended:
        _LOGGER.warning("job %s %s: repaired: %s", job.job_id[:12], job.job_type, finding)
    for text in care.damaged:
        _LOGGER.error("not looked after: %s", text)
    if care.purged:
        _LOGGER.info("purged %d jobs, %d rows", care.purged, care.purged_rows)
    if not care.is_complete:
        _LOGGER.warning("the time was up before all jobs were looked after; the next timer goes on")
    return care
