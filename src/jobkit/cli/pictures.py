"""Draws a screen as an SVG picture that needs nothing from elsewhere: no font, no script, no address."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType

from jobkit.runtime.errors import InvalidSetting

from .output import is_piped

WIDTH: Final = 100  # columns, where no terminal sets them

#: What rich fills with the screen; its own format fetches a font from the web.
_FORMAT: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" class="jobkit-screen" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{
  font-family: "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre;
}}
.{unique_id}-title {{ font-family: sans-serif; font-size: 16px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def draw(screen: RenderableType, path: Path, *, title: str) -> None:
    """Write a picture of a screen, as wide as the terminal. Raises InvalidSetting when the file can't be written."""
    try:
        path.write_text(picture(screen, title=title, width=WIDTH if is_piped() else Console().width), "utf-8")
    except OSError as exc:
        raise InvalidSetting(setting="--svg", value=str(path), reason=exc.strerror or str(exc)) from exc


def picture(screen: RenderableType, *, title: str, width: int = WIDTH) -> str:
    """Return the SVG of a screen; the same screen is the same text."""
    console = Console(
        record=True, file=io.StringIO(), width=width, force_terminal=True, color_system="truecolor", highlight=False
    )
    console.print(screen)
    return console.export_svg(title=title, code_format=_FORMAT)
