"""What ``nginx -t`` reports on a line: nginx's own message, and whether nginx refuses to start."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.syntax.places import Location

if TYPE_CHECKING:
    from nginxtls.syntax.tree import Directive

EMERG, WARN = "emerg", "warn"


class Refusal(NamedTuple):
    """A line that ``nginx -t`` would print. ``level``: ``emerg`` (nginx does not start) or ``warn``.

    ``category`` groups the cases: ``context``, ``unknown-directive``, ``value``, ``duplicate``, ``listen``, ``name``,
    ``certificate``, ``key``, ``ciphers``, ``groups``, ``dhparam``, ``client-ca``, ``stapling``, ``upstream`` …
    """

    level: str
    message: str
    location: Location
    directive: Directive
    category: str
    first: Directive | None = None
    """The line that this one repeats or contradicts."""


def refuse(
    directive: Directive,
    category: str,
    message: str,
    *,
    level: str = EMERG,
    arg: int | None = None,
    first: Directive | None = None,
) -> Refusal:
    """A refusal at a directive or one of its arguments."""
    span = directive.span if arg is None else directive.arg_span(arg)
    return Refusal(level, directive.written(message, arg), Location(directive.file, span), directive, category, first)


def size(text: str) -> int | None:
    """A size of nginx's configuration in bytes: ``10m``, ``512k``, ``4096``."""
    found = re.fullmatch(r"(\d+)([kKmM]?)", text)
    if not found:
        return None
    return int(found[1]) * {"": 1, "k": 1024, "m": 1024 * 1024}[found[2].lower()]
