"""Where a report goes: formats by entry point, standard output and files."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.errors import Trouble, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

    from nginxtls.finding import Report
    from nginxtls.report import Options

GROUP = "nginxtls.formats"


def formats() -> dict[str, EntryPoint]:
    """The formats that the installed packages bring, by name."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


def outputs(form: str, files: Iterable[str]) -> list[tuple[str, str | None]]:
    """The formats to write and where to: ``None`` is standard output.

    Raises:
        Trouble: a format does not exist, or a file's folder is not there.
    """
    known = formats()
    if form not in known:
        help = nearest(form, known) or f"choose one of {', '.join(known)}"
        raise Trouble(f"--format {form}", "there is no such format", help)
    wanted: list[tuple[str, str | None]] = [(form, None)]
    for text in files:
        name, colon, file = text.partition(":")
        if not colon:
            name, file = form, text
        elif name not in known:
            help = nearest(name, known) or f"write FORMAT:FILE with one of {', '.join(known)}"
            raise Trouble(f"--output {text}", f'there is no format "{name}"', help)
        if not file or os.path.isdir(file) or not os.path.isdir(os.path.dirname(os.path.abspath(file))):
            raise Trouble(f"--output {text}", "cannot be written there", "name a file in a folder that exists")
        wanted.append((name, file))
    return wanted


def write(report: Report, name: str, file: str | None, options: Options) -> None:
    """Render a report and write it.

    Raises:
        Trouble: the format's package is broken, or the file cannot be written.
    """
    point = formats()[name]
    try:
        render = point.load().render
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise Trouble(f'format "{name}"', reason, "mend or uninstall its package") from error
    text = render(report, options if file is None else replace(options, color=False, width=0))
    if file is None:
        sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")
        return
    try:
        Path(file).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise Trouble(f"--output {name}:{file}", f"cannot be written: {error.strerror}") from error


def use_color(choice: str) -> bool:
    """Whether standard output is to be coloured: as told, else if it is a terminal and NO_COLOR is not set."""
    if choice != "auto":
        return choice == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """The columns of the terminal, or of the variable COLUMNS; 0 if there is neither."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        return 0
    return shutil.get_terminal_size().columns
