"""The part of the repository that removes a job's rows: all of them and no other job's, the job row last.

A job that is being removed says so in its row (`purging`), which nothing else changes then. Rows are read first, then it is
made sure that the row still says so, and only then are they deleted: what was read before that is not of a job that
somebody has submitted anew. So two removals of one job, and one that died, do no harm.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any, Final

from . import rows
from .errors import EntityChanged, EntityNotFound
from .model import JobRecord
from .outbox import Each
from .storage.limits import TRANSACTION_OPERATIONS
from .storage.ports import Delete, Entity, Operation, Span, Tables

_AT_ONCE: Final = 64


class Removal:
    """Removes the rows of jobs that have ended."""

    def __init__(self, tables: Tables) -> None:
        """Keep the port."""
        self._tables = tables

    def remove(self, job: JobRecord, each: Each[Any]) -> Iterator[int]:
        """Delete all rows of a job that is marked, several transactions at once by `each`; yield how many, now and then.

        Ends early when the row does not say any more that it is being removed: somebody else has removed it.
        """
        yield from self._remove(job, each, rows.TASKS, rows.job_partitions(job.job_id))
        yield from self._remove(job, each, rows.JOBS, job.job_id, Span("", rows.CHAIN_ROWS.low))
        chain = self._deletions(self._tables.query(rows.JOBS, job.job_id, rows=rows.CHAIN_ROWS, select=()))
        for last in chain:  # one: a job has at most 99 stages
            if self._is_marked(job):
                with contextlib.suppress(EntityChanged, EntityNotFound):  # somebody else has removed it
                    self._tables.transact(rows.JOBS, last)
                    yield len(last)

    def _remove(
        self, job: JobRecord, each: Each[Any], table: str, partition: str | Span, rows_of: Span | None = None
    ) -> Iterator[int]:
        deleted: list[int] = []

        def delete(part: list[Operation]) -> None:
            try:
                self._tables.transact(table, part)
                deleted.append(len(part))
            except (EntityChanged, EntityNotFound):  # a late marker, or another removal: row by row
                for operation in part:
                    with contextlib.suppress(EntityChanged, EntityNotFound):
                        self._tables.transact(table, [operation])
                        deleted.append(1)

        found = self._deletions(self._tables.query(table, partition, rows=rows_of, select=()))
        while parts := list(islice(found, _AT_ONCE)):
            if not self._is_marked(job):
                return
            deleted.clear()
            try:
                each(parts, delete)
            except KeyboardInterrupt:
                yield sum(deleted)
                raise
            yield sum(deleted)

    @staticmethod
    def _deletions(found: Iterator[Entity]) -> Iterator[list[Operation]]:
        """Put rows together by partition, as many as a transaction takes."""
        for _, entities in groupby(found, key=lambda entity: entity.partition):
            while part := list(islice(entities, TRANSACTION_OPERATIONS)):
                yield [Delete(entity.partition, entity.row, entity.etag) for entity in part]

    def _is_marked(self, job: JobRecord) -> bool:
        try:
            found = self._tables.get(rows.JOBS, job.job_id, rows.JOB_ROW, select=("epoch", "purging")).properties
        except EntityNotFound:
            return False
        return bool(found.get("purging")) and found["epoch"] == job.epoch
