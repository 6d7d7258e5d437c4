"""The part of the repository that removes a job's rows: all of them and no other job's, the job row with the last.

A job that is being removed says so in its row (`purging`), which nothing else changes then. Rows are read first, then it is
made sure that the row still says so, and only then are they deleted: what was read before that is not of a job that
somebody has submitted anew. So two removals of one job, and one that died, do no harm.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any, Final

from . import rows
from .errors import EntityChanged, EntityNotFound
from .model import JobRecord
from .outbox import Each
from .storage.limits import TRANSACTION_OPERATIONS
from .storage.ports import Delete, Entity, Operation, Tables

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
        tasks = self._tables.query(rows.TASKS, rows.job_partitions(job.job_id), select=())
        yield from self._delete(job, each, rows.TASKS, tasks)
        while True:
            own = sorted(self._tables.query(rows.JOBS, job.job_id, select=()), key=_how_long_it_stays)
            first, last = own[:-TRANSACTION_OPERATIONS], own[-TRANSACTION_OPERATIONS:]
            yield from self._delete(job, each, rows.JOBS, iter(first))
            if not self._is_marked(job):
                return
            try:
                self._tables.transact(rows.JOBS, _deletions(last))
            except (EntityChanged, EntityNotFound):  # another removal: what is left is read again
                yield 0
                continue
            yield len(last)
            return

    def _delete(self, job: JobRecord, each: Each[Any], table: str, found: Iterator[Entity]) -> Iterator[int]:
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

        transactions = _by_transaction(found)
        while parts := list(islice(transactions, _AT_ONCE)):
            if not self._is_marked(job):
                return
            deleted.clear()
            try:
                each(parts, delete)
            except KeyboardInterrupt:
                yield sum(deleted)
                raise
            yield sum(deleted)

    def _is_marked(self, job: JobRecord) -> bool:
        try:
            found = self._tables.get(rows.JOBS, job.job_id, rows.JOB_ROW, select=("epoch", "purging")).properties
        except EntityNotFound:
            return False
        return bool(found.get("purging")) and found["epoch"] == job.epoch


def _how_long_it_stays(row: Entity) -> tuple[bool, bool]:
    """Sort a job's rows: what operators did (who removes the job) stays longest but for the chain, which is at most 100 rows."""
    return row.row >= rows.CHAIN_ROWS.low, row.row < rows.AUDIT_ROWS.high


def _by_transaction(found: Iterator[Entity]) -> Iterator[list[Operation]]:
    """Put rows together by partition, as many as a transaction takes."""
    for _, entities in groupby(found, key=lambda entity: entity.partition):
        while part := list(islice(entities, TRANSACTION_OPERATIONS)):
            yield _deletions(part)


def _deletions(found: Iterable[Entity]) -> list[Operation]:
    return [Delete(entity.partition, entity.row, entity.etag) for entity in found]
