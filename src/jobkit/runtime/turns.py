"""Turns: who in a process works beside whom, and what a message that was delivered too often is guilty of.

A process that dies raises the delivery counts of all that it was at, and one task is to blame. So a message that has
been delivered often is a suspect: what runs the user's code for it runs alone in its process. A row that a suspect has
claimed and not ended then speaks against it, and against it alone; any other message that was delivered too often is
sent again as itself. It keeps its key and takes over what it had claimed, as a redelivery does, and its next turn
counts on from there.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Final

from .messages import MAX_DEQUEUE_COUNT, SUSPECT_COUNT, Incoming, Message
from .model import TURN, Owner
from .outbox import Outbox

#: What has used up so many deliveries is not sent again, whatever it has claimed: something else is wrong with it.
MAX_SPENT: Final = 20
#: How long a message waits for the others in its process; Functions' `functionTimeout` runs meanwhile.
PATIENCE_S: Final = 60.0


class Gate:
    """Lets what runs users' code in a process through: a suspect alone, all else beside each other."""

    def __init__(self, *, patience_s: float = PATIENCE_S, pause: Callable[[], None] = lambda: None) -> None:
        """Call `pause` before a thread waits."""
        self.patience_s = patience_s
        self._pause = pause
        self._changed = threading.Condition()
        self._inside = 0
        self._is_alone = False
        self._suspects: list[Incoming] = []

    @contextlib.contextmanager
    def enter(self, incoming: Incoming) -> Generator[bool]:
        """Wait until a message's turn has come; False when it has not by the end of its patience."""
        if not self._wait(incoming):
            yield False
            return
        try:
            yield True
        finally:
            with self._changed:
                self._inside -= 1
                self._is_alone = False
                self._changed.notify_all()

    def _wait(self, incoming: Incoming) -> bool:
        with self._changed:
            if incoming.is_suspect:
                self._suspects.append(incoming)
            try:
                if not self._may_enter(incoming):
                    self._pause()
                    if not self._changed.wait_for(lambda: self._may_enter(incoming), self.patience_s):
                        return False
                self._inside += 1
                self._is_alone = incoming.is_suspect
                return True
            finally:
                if incoming.is_suspect:
                    self._suspects.remove(incoming)
                    self._changed.notify_all()

    def _may_enter(self, incoming: Incoming) -> bool:
        """Suspects go first, and of them the one that has been delivered most: it has waited beside most deaths."""
        if incoming.is_suspect:
            return not self._inside and incoming is max(self._suspects, key=lambda one: one.spent)
        return not self._is_alone and not self._suspects


def is_innocent(message: Message, claimed: Owner | None) -> bool:
    """Whether nothing speaks against a message that was delivered too often; `claimed` is whose its row is, if anybody's.

    Of a delivery that claimed the row beside others nobody knows which of them was to blame.
    """
    if message.spent >= MAX_SPENT:
        return False
    if claimed is None or claimed.key != message.key or claimed.delivery // TURN != message.turn:
        return True
    return message.spent + claimed.delivery % TURN < SUSPECT_COUNT


def is_anothers(message: Message, owner: Owner) -> bool:
    """Whether a claimed row is another message's, or of a later turn of this one: that one does the rest."""
    return owner.key != message.key or owner.delivery // TURN > message.turn


def send_poisoned_again(outbox: Outbox, queue: str, message: Message) -> None:
    """Give a message that was delivered too often another turn, as a suspect."""
    _send_again(outbox, queue, message, MAX_DEQUEUE_COUNT, 0.0)


def step_aside(outbox: Outbox, queue: str, incoming: Incoming, delay_s: float) -> None:
    """Give a message that can't have its turn here another one later, or elsewhere; this delivery does not count."""
    _send_again(outbox, queue, incoming.message, incoming.delivery % TURN - 1, delay_s if incoming.is_suspect else 0.0)


def _send_again(outbox: Outbox, queue: str, message: Message, spent: int, delay_s: float) -> None:
    following = replace(message, turn=message.turn + 1, spent=message.spent + spent)
    outbox.send(queue, following, key=message.key, delay_s=delay_s)
