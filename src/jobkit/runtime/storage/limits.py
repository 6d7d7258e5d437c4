"""The limits of Azure Storage, checked by every local backend so that a job that runs here runs there.

Sources: "Understanding the Table service data model", "Performing entity group transactions" and "Scalability and
performance targets for Queue storage" in Microsoft's documentation of Azure Storage.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from jobkit.runtime.errors import LimitExceeded

from .ports import Delete, Entity, Operation, Value

PROPERTY_BYTES = 64 * 1024  # a string counts two bytes a UTF-16 unit
ENTITY_BYTES = 1024 * 1024
ENTITY_PROPERTIES = 252
KEY_CHARS = 512  # 1 KiB as UTF-16
TRANSACTION_OPERATIONS = 100
TRANSACTION_BYTES = 4 * 1024 * 1024
MESSAGE_BYTES = 48 * 1024  # of UTF-8 text: base64, which Functions expects, makes 64 KiB of it
DELAY_S = 7 * 24 * 3600
RECEIVE_MESSAGES = 32

_FOREIGN_KEY_CHARS = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_OPERATION_OVERHEAD_BYTES = 600  # multipart boundary, request line and headers of one operation


def utf16_units(text: str) -> int:
    """Count the UTF-16 code units of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _value_bytes(value: Value) -> int:
    if isinstance(value, str):
        return 2 * utf16_units(value) + 4
    if isinstance(value, bytes):
        return len(value) + 4
    return 8


def entity_bytes(entity: Entity) -> int:
    """Measure an entity as the Table service counts it, in bytes."""
    keys = 4 + 2 * (utf16_units(entity.partition) + utf16_units(entity.row))
    return keys + sum(8 + 2 * len(name) + _value_bytes(value) for name, value in entity.properties.items())


def payload_bytes(entity: Entity) -> int:
    """Estimate, from above, what an entity takes of a transaction's request body, in bytes (JSON, base64)."""
    total = _OPERATION_OVERHEAD_BYTES + 3 * (len(entity.partition) + len(entity.row))
    for name, value in entity.properties.items():
        total += len(name) + 40
        if isinstance(value, str):
            total += len(json.dumps(value))
        elif isinstance(value, bytes):
            total += len(value) * 4 // 3 + 4
    return total


def _payload_bound(entity: Entity) -> int:
    """Bound `payload_bytes` from above, quickly: a character takes 12 bytes at most, as two escapes."""
    chars = 0
    for name, value in entity.properties.items():
        chars += len(name)
        if isinstance(value, (str, bytes)):
            chars += len(value)
    keys = len(entity.partition) + len(entity.row)
    return _OPERATION_OVERHEAD_BYTES + 12 * (chars + keys) + 48 * len(entity.properties)


def check_entity(entity: Entity) -> None:
    """Raise LimitExceeded for keys, properties or sizes that the Table service refuses."""
    for kind, key in (("partition key", entity.partition), ("row key", entity.row)):
        if len(key) > KEY_CHARS:
            raise LimitExceeded(what=kind, size=len(key), limit=KEY_CHARS, unit="characters")
        if _FOREIGN_KEY_CHARS.search(key):
            raise ValueError(
                f"{kind} {key!r} has a character that Azure Tables refuses (/ \\ # ? or a control character)"
            )
    if len(entity.properties) > ENTITY_PROPERTIES:
        raise LimitExceeded(
            what="number of properties", size=len(entity.properties), limit=ENTITY_PROPERTIES, unit="properties"
        )
    chars = 0
    for name, value in entity.properties.items():
        if type(value) is str or isinstance(value, (str, bytes)):
            chars += len(value)
        elif type(value) is int and not -(2**63) <= value < 2**63:
            raise LimitExceeded(what=f"property {name}", size=value.bit_length(), limit=63, unit="bits")
    if 4 * chars > PROPERTY_BYTES:  # a character takes four bytes at most: a smaller entity needs no closer look
        _check_sizes(entity)


def _check_sizes(entity: Entity) -> None:
    for name, value in entity.properties.items():
        if isinstance(value, str | bytes) and (size := _value_bytes(value) - 4) > PROPERTY_BYTES:
            raise LimitExceeded(what=f"property {name}", size=size, limit=PROPERTY_BYTES, unit="bytes")
    if (size := entity_bytes(entity)) > ENTITY_BYTES:
        raise LimitExceeded(what=f"entity {entity.row}", size=size, limit=ENTITY_BYTES, unit="bytes")


def check_transaction(operations: Sequence[Operation]) -> None:
    """Raise for a transaction that the Table service refuses: empty, too long, too large, or not one partition."""
    if not 1 <= len(operations) <= TRANSACTION_OPERATIONS:
        raise LimitExceeded(
            what="transaction", size=len(operations), limit=TRANSACTION_OPERATIONS, unit="operations (and at least 1)"
        )
    seen: set[str] = set()
    partitions: set[str] = set()
    bound = 0
    for operation in operations:
        if isinstance(operation, Delete):
            partition, row = operation.partition, operation.row
        else:
            check_entity(operation.entity)
            partition, row = operation.entity.partition, operation.entity.row
            bound += _payload_bound(operation.entity)
        if row in seen:
            raise ValueError(f"a transaction names the row {row!r} twice")
        seen.add(row)
        partitions.add(partition)
    if len(partitions) > 1:
        raise ValueError(f"a transaction spans the partitions {sorted(partitions)}")
    if bound > TRANSACTION_BYTES // 2:  # a smaller one, whatever it deletes, needs no closer look
        _check_payload(operations)


def _check_payload(operations: Sequence[Operation]) -> None:
    size = sum(
        _OPERATION_OVERHEAD_BYTES if isinstance(operation, Delete) else payload_bytes(operation.entity)
        for operation in operations
    )
    if size > TRANSACTION_BYTES:
        raise LimitExceeded(what="transaction", size=size, limit=TRANSACTION_BYTES, unit="bytes")


def check_message(body: str, delay_s: float) -> None:
    """Raise LimitExceeded for a message or a delay that the Queue service refuses."""
    if (size := len(body.encode())) > MESSAGE_BYTES:
        raise LimitExceeded(what="queue message", size=size, limit=MESSAGE_BYTES, unit="bytes")
    if not 0 <= delay_s <= DELAY_S:
        raise LimitExceeded(what="delay of a message", size=delay_s, limit=DELAY_S, unit="seconds (and at least 0)")


def check_receive(limit: int) -> None:
    """Raise ValueError for a number of messages that one receive or peek can't ask for."""
    if not 1 <= limit <= RECEIVE_MESSAGES:
        raise ValueError(f"a receive takes 1 to {RECEIVE_MESSAGES} messages, not {limit}")
