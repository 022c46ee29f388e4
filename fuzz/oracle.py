"""What must hold of every output: it is valid, has no key, and nothing in it controls a terminal, a page or a CI."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable
from html.parser import HTMLParser
from xml.etree import ElementTree

from fuzz.keys import leaks

CI_COMMAND = re.compile(r"^\s*(?:::[a-z-]+.*::|##(?:vso)?\[)", re.MULTILINE)
"""Lines that GitHub or Azure would run; other parsers trim the beginning of a line, too."""
_BUG = re.compile(r"this is a bug|Traceback \(most recent call last\)")
_NEUTRAL = frozenset("\n")


class Fault(Exception):
    """An output breaks a promise."""


def check_output(text: str, form: str) -> None:
    """Raise a fault unless an output of a format (or of a command) keeps every promise."""
    if leaks(text):
        raise Fault(f"{form}: key material")
    if bug := _BUG.search(text):
        raise Fault(f"{form}: {text[max(0, bug.start() - 200) : bug.end()]!r}")
    if form.endswith(" patch"):
        return  # to be applied, it has the bytes of the file; a terminal gets them escaped
    if not text.isascii() or "\x1b" in text or "\x7f" in text:
        for character in set(text) - _NEUTRAL:
            if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character != "\t":
                raise Fault(f"{form}: the control character {character!r} is not escaped")
    try:
        _VALID.get(form.partition(" ")[2] or form, _lines)(text)
    except (ValueError, ElementTree.ParseError, csv.Error) as error:
        raise Fault(f"{form}: not valid: {error}") from error


def _lines(text: str) -> None:
    if found := CI_COMMAND.search(text):
        raise ValueError(f"a line that a CI runs: {found.group()[:60]!r}")


def _github(text: str) -> None:
    for line in text.splitlines():
        if line and not re.match(
            r"::(?:error|warning|notice) [a-zA-Z]+=[^\r\n]*::|::(?:debug|notice|error|warning)::", line
        ):
            raise ValueError(f"not a command of the format: {line[:80]!r}")


def _html(text: str) -> None:
    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            handlers = [value for name, value in attributes if name.startswith("on")]
            if tag in ("iframe", "img", "object", "base", "embed", "link", "svg") or handlers not in (
                [],
                ["return false"],
            ):
                raise ValueError(f"an element <{tag}> of the input")

    if text.count("<script") != 1 or text.count("<form") > 1:  # without findings there is nothing to filter
        raise ValueError("a script or form of the input")
    Reader().feed(text)


def _csv(text: str) -> None:
    rows = list(csv.reader(io.StringIO(text)))
    if len({len(row) for row in rows}) > 1:
        raise ValueError("rows of several lengths")
    if any(re.match(r"[=+@\t]|-(?!\d+$)", cell) for row in rows for cell in row):
        raise ValueError("a cell that a spreadsheet would evaluate")
    _lines(text)


_VALID: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "sarif": json.loads,
    "gitlab": json.loads,
    "junit": ElementTree.fromstring,
    "checkstyle": ElementTree.fromstring,
    "github": _github,
    "html": _html,
    "csv": _csv,
}
