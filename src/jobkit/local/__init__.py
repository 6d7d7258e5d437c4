"""Everything that runs on this machine: the SQLite store and the simulated Functions host."""

from .store import LocalStore

__all__ = ["LocalStore"]
