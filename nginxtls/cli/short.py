"""Command lines of ``check`` that need no parser: files and flags alone, as a hook has them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from nginxtls.cli.checking import Request


def requested(words: Sequence[str]) -> Request | None:
    """What ``check`` is requested to do, if the words after it are paths and long flags; None: typer has to read them.

    Importing typer and making its command takes 35 of the 150 ms that a check of one file took.
    """
    if words[:1] != ["check"] or os.name == "nt":  # where typer also expands patterns
        return None
    from nginxtls.cli.checking import Request

    flags = {f"--{name.replace('_', '-')}": name for name, value in Request._field_defaults.items() if value is False}
    paths = [word for word in words[1:] if word not in flags]
    if any(word.startswith("-") and word != "-" for word in paths):
        return None
    given: dict[str, Any] = {flags[word]: True for word in words[1:] if word in flags}
    return Request(paths or None, **given)
