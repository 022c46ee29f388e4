"""Where a report goes: standard output and files, each in a format of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.errors import UsageError, nearest
from nginxtls.base.printing import harmless
from nginxtls.base.writing import write as write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nginxtls.linting.report import Report
    from nginxtls.report import Options, Revision


def outputs(form: str, files: Sequence[str]) -> list[tuple[str, str | None]]:
    """The formats to write and where to: ``None`` is standard output, which a file without a format replaces.

    Raises:
        UsageError: a format or the folder of a file does not exist.
    """
    from nginxtls.report import BUILT_IN, formats

    requested = [form, *(text.partition(":")[0] for text in files if ":" in text)]
    known = BUILT_IN if set(requested) <= set(BUILT_IN) else formats()
    if form not in known:
        help = nearest(form, known) or f"use one of {', '.join(known)}"
        raise UsageError(f"--format {form}", "is not an output format", help)
    wanted: list[tuple[str, str | None]] = [(form, None)]
    for text in files:
        name, colon, file = text.partition(":")
        if not colon:
            name, file = form, text
            wanted = [each for each in wanted if each[1] is not None]
        elif name not in known:
            help = nearest(name, known) or f"use FORMAT:FILE with one of {', '.join(known)}"
            raise UsageError(f"--output {text}", f'"{name}" is not an output format', help)
        if file and os.path.isdir(file):
            raise UsageError(f"--output {text}", "it is a folder", "use the name of a file")
        if not file or not os.path.isdir(os.path.dirname(os.path.abspath(file))):
            raise UsageError(f"--output {text}", "its folder does not exist", "use a file in a folder that exists")
        wanted.append((name, file))
    return wanted


def write(report: Report, name: str, file: str | None, options: Options) -> None:
    """Render a report and write it.

    Raises:
        UsageError: the format's package is broken, or the file cannot be written.
    """
    from nginxtls.report import renderer

    render: Callable[[Report, Options], str] = renderer(name)
    if file is None:
        text = render(report, options)
        sys.stdout.write(text if name == "github" else harmless(text))
        return
    text = render(report, options._replace(color=False, hyperlinks=False, width=0))
    try:
        write_file(Path(file), text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(f"--output {name}:{file}", f"cannot be written: {error.strerror}") from error


def revision() -> Revision | None:
    """The revision being built, from the variables of GitHub and GitLab. No git runs in the scanned tree."""
    from nginxtls.report import Revision

    get = os.environ.get
    if get("GITHUB_REPOSITORY") and get("GITHUB_SHA"):
        uri = f"{get('GITHUB_SERVER_URL', 'https://github.com')}/{get('GITHUB_REPOSITORY')}"
        return Revision(uri, get("GITHUB_SHA", ""), get("GITHUB_REF_NAME", ""))
    if get("CI_PROJECT_URL") and get("CI_COMMIT_SHA"):
        return Revision(get("CI_PROJECT_URL", ""), get("CI_COMMIT_SHA", ""), get("CI_COMMIT_REF_NAME", ""))
    return None


def use_color(choice: str) -> bool:
    """Whether to colour standard output: as requested, else if it is a terminal and NO_COLOR is not set."""
    if choice != "auto":
        return choice == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """The width of the terminal in columns, or the variable COLUMNS; 0 if there is neither."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        return 0
    from shutil import get_terminal_size

    return get_terminal_size().columns
