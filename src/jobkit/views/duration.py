"""Durations in words that fit a column."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """Write a duration: `20 ms`, `1.50 s`, `12.3 s`, `4 min 05 s`, `2 h 03 min`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
