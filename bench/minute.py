"""Records docs/minute.sh as a picture: each command is run in an empty folder, and shown with what it has printed.

python bench/minute.py [docs/images/minute.svg]
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

from rich.text import Text

from jobkit.cli.pictures import WIDTH, picture

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "docs" / "minute.sh"
PICTURE = ROOT / "docs" / "images" / "minute.svg"
ROWS = 50
BASH = shutil.which("bash") or "bash"


def commands() -> list[str]:
    """The lines of the script, without comments."""
    return [line for line in SCRIPT.read_text("utf-8").splitlines() if line and not line.startswith("#")]


def run(command: str, folder: Path) -> tuple[str, Path]:
    """Run a command in a folder; return what a terminal shows of it, and the folder that it is in afterwards."""
    shown, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, WIDTH, 0, 0))
    where, tells = os.pipe()
    process = subprocess.Popen(
        [BASH, "-c", f"set -e\n{command}\npwd >&{tells}"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        pass_fds=[tells],
        env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )
    os.close(terminal)
    os.close(tells)
    printed = b""
    with contextlib.suppress(OSError):  # nobody writes to the terminal any more
        while chunk := os.read(shown, 65536):
            printed += chunk
    os.close(shown)
    with os.fdopen(where) as reading:
        after = reading.read().strip()
    if process.wait() != 0:
        sys.exit(f"{command} ended with {process.returncode}:\n{printed.decode()}")
    return settled(printed.decode()), Path(after)


def settled(printed: str) -> str:
    """What is left to see once progress has overwritten itself: it goes up line by line, and clears each."""
    lines = [""]
    row = 0
    for part in re.split(r"(\r?\n|\r|\x1b\[\d*A|\x1b\[2K|\x1b\[\?25[lh])", printed):
        if part.endswith("\n"):
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A") and part.startswith("\x1b["):
            row -= int(part[2:-1] or 1)
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part != "\r" and not part.startswith("\x1b[?25"):
            lines[row] += part
    return "\n".join(lines).strip("\n")


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    screen = Text()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for command in commands():
            printed, folder = run(command, folder)
            screen.append("$ ", "dim").append(command, "bold").append("\n")
            screen.append_text(Text.from_ansi(printed)).append("\n\n" if printed else "")
    screen.rstrip()
    screen.append("\n")  # else the last line's feet are cut off
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(picture(screen, title=f"docs/minute.sh, {time.monotonic() - began:.0f} s"), "utf-8")
    print(f"{path} written")


if __name__ == "__main__":
    main()
