"""Text for terminals, CI logs and JSON: nothing of the input is interpreted by what shows it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from nginxtls.base.errors import printable
from nginxtls.base.lazy import pattern

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_START = pattern(r"^(\s*):(?=:(?!: ))", re.MULTILINE)
"""GitHub runs ``::error::…`` at the start of a line, white space before it or not. The arrow ``::: `` of text reports
is not one: its name would be ``:``."""
_ANYWHERE = pattern(r"##(?=\w{0,20}\[)")
"""GitHub's old ``##[…]``, Azure's ``##vso[…]`` and TeamCity's ``##teamcity[…]``, found anywhere in a line."""
_UNPRINTABLE = pattern(r"[^ -~\n]")
_SURROGATE = pattern(r"[\ud800-\udfff]")


def harmless(text: str) -> str:
    """The text, of several lines perhaps, without what a CI system runs as a command."""
    if "##" in text:
        text = _ANYWHERE.sub(r"#\\x23", text)
    return _AT_START.sub(r"\1\\x3a", text) if "::" in text else text


def shown(text: str) -> str:
    """One line of output: unprintable characters are escaped, and no CI system runs it."""
    return harmless(printable(text))


def cut(text: str, most: int) -> str:
    """A text of at most so many characters; of a longer one the beginning and the end."""
    return text if len(text) <= most else f"{text[: most - most // 4 - 1]}…{text[len(text) - most // 4 :]}"


def json_text(
    value: Any,
    *,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    default: Callable[[Any], Any] | None = None,
) -> str:
    """A value as JSON in printable ASCII; bytes of a file name that are not UTF-8 are ``\\udcff`` as a text."""
    text = json.dumps(value, indent=indent, separators=separators, default=default, ensure_ascii=False)
    if not text.isascii():
        text = _SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text)
    return _ANYWHERE.sub(r"#\\u0023", _UNPRINTABLE.sub(_escaped, text))


def _escaped(found: Any) -> str:
    return json.dumps(found[0])[1:-1] if found[0] != "\x7f" else "\\u007f"
