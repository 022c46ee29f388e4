"""The formats of a report: one module each, with ``render(report, options) -> str``, found by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from nginxtls.base.errors import UsageError, nearest
from nginxtls.report.options import Options, Revision

if TYPE_CHECKING:
    from collections.abc import Callable

    from nginxtls.linting.report import Report

__all__ = ["GROUP", "Options", "Revision", "formats", "renderer"]

GROUP = "nginxtls.formats"

BUILT_IN = ("text", "concise", "json", "sarif", "github", "gitlab", "junit", "checkstyle", "markdown", "html")
"""The built-in formats. They are also entry points; listing them here saves a run the search for entry points."""


def formats() -> list[str]:
    """The names of all formats: the built-in ones, then those of other installed packages."""
    from importlib.metadata import entry_points

    return [*BUILT_IN, *sorted({point.name for point in entry_points(group=GROUP)} - {*BUILT_IN})]


def renderer(name: str) -> Callable[[Report, Options], str]:
    """The function that renders a report in a format; only that format is imported.

    Raises:
        UsageError: the format does not exist, or its package is broken.
    """
    if name in BUILT_IN:
        return cast("Callable[[Report, Options], str]", import_module(f"nginxtls.report.{name}").render)
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP, name=name):
        try:
            return cast("Callable[[Report, Options], str]", point.load().render)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise UsageError(f'format "{name}"', reason, "fix or uninstall its package") from error
    known = formats()
    raise UsageError(
        f'format "{name}"', "is not an output format", nearest(name, known) or f"use one of {', '.join(known)}"
    )
