"""Regular expressions of a configuration, read as nginx's PCRE2 reads them and never run without a limit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.base.bounded import bounded
from nginxtls.base.lazy import cached_property, pattern
from nginxtls.base.limits import LIMITS as TABLE

if TYPE_CHECKING:
    from typing import Any

LIMITS = b"(*LIMIT_MATCH=20000)(*LIMIT_DEPTH=2000)(*LIMIT_HEAP=2000)"
"""Steps, depth and KiB of a match, written before a pattern: the bindings have no call for them. Limits of its own
would override them, so such a pattern is unknown (pcre2pattern, "Setting match resource limits")."""
LONGEST = TABLE["pattern"]
"""Characters of the longest pattern and subject that are looked at."""

_PLAIN = pattern(
    r"""[A-Za-z0-9_/,:;=@%&~!"'<>\ -] | \\[dw] | \\[^A-Za-z0-9\s] | \.
      | \[\^?(?:[A-Za-z0-9_./]-[A-Za-z0-9_./] | [A-Za-z0-9_./] | \\[dw.\-/])+-?\]
      | \^ | \$ | \| | \((?:\?:|\?P?<[A-Za-z_][A-Za-z0-9_]*>|(?!\?)) | (?:\)\??|[*+?]\??)(?![*+?])""",
    re.VERBOSE,
)
"""A token that Python and PCRE2 read alike. No group is repeated."""
_UNQUOTED = pattern(r"\\.|\[[^]]*\]")
_NAMED = pattern(r"\(\?<(?=[A-Za-z_])")


class Undecided(Exception):
    """Whether a pattern matches is not known: it takes too many steps, or cannot be read."""


class Pattern:
    """A regular expression of ``server_name`` or ``location``.

    Python's ``re`` runs the plain ones, whose matches are quick whatever the subject; PCRE2 runs all others.
    """

    def __init__(self, text: str, *, caseless: bool) -> None:
        self.text = text
        self.caseless = caseless

    @cached_property
    def python(self) -> re.Pattern[str] | None:
        """The pattern for Python, or None where Python reads it otherwise or could match it without end."""
        if _PLAIN.sub("", self.text):
            return None
        bare = _UNQUOTED.sub("", self.text)
        repeats = bare.count("*") + bare.count("+")
        if repeats > (2 if bare.startswith("^") else 1) or bare.count("?") - bare.count("(?") > 3:
            return None
        if bare.count("|") > 4 and bare.count("(") > 1:
            return None
        return _python(self.text, self.caseless)

    @cached_property
    def _pcre2(self) -> Any:
        """The pattern of the ``pcre2`` package; text of an error; or None without that package."""
        try:
            import pcre2
        except ImportError:
            return None
        if len(self.text) > LONGEST or "(*LIMIT_" in self.text:
            return None
        text = LIMITS + self.text.encode("utf-8", "surrogateescape")
        try:
            return pcre2.compile(text, pcre2.IGNORECASE if self.caseless else 0, jit=False)
        except pcre2.LibraryError as error:
            return str(error).partition("; ")[2] or str(error)

    @property
    def error(self) -> str | None:
        """Why nginx does not start with the pattern, in PCRE2's words; None if it compiles or that is not known."""
        if self.python is not None:
            return None
        return self._pcre2 if isinstance(self._pcre2, str) else None

    @property
    def groups(self) -> int:
        """The number of its captures."""
        if self.python is not None:
            return self.python.groups
        return 0 if self._pcre2 is None or isinstance(self._pcre2, str) else int(self._pcre2.groups)

    def matches(self, subject: str) -> bool | None:
        """Whether the pattern matches somewhere in a text; None where that is not known (it takes too many steps)."""
        found = self._search(subject)
        return found if found is None else found is not False

    def captures(self, subject: str) -> dict[str, str] | None:
        """The captures of the first match, by number and name, those that took no part empty; None without a match.

        Raises ``Undecided`` where ``matches`` is None.
        """
        found = self._search(subject)
        if found is None:
            raise Undecided
        if found is False:
            return None
        values = {str(number): value for number, value in enumerate(found.groups(), 1)} | found.groupdict()
        return {_text(name): _text(value) for name, value in values.items()}

    def _search(self, subject: str) -> Any:
        """The first match of either library, False without one, None if that is not known."""
        if len(subject) > LONGEST:
            return None
        if self.python is not None and len(subject) <= 255:
            return self.python.search(subject) or False
        compiled = self._pcre2
        if compiled is None or isinstance(compiled, str):
            return None
        import pcre2

        try:
            return compiled.search(subject.encode("utf-8", "surrogateescape")) or False
        except pcre2.LibraryError:
            return None


def _text(value: str | bytes | None) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value or ""


def _python(text: str, caseless: bool) -> re.Pattern[str] | None:
    flags = re.ASCII | (re.IGNORECASE if caseless else 0)
    try:
        return re.compile(_NAMED.sub("(?P<", text), flags)
    except (re.error, OverflowError, RecursionError):
        return None


@bounded(8192, 1_000_000)
def read_pattern(text: str, *, caseless: bool = True) -> Pattern:
    """The pattern of a text, made once. nginx compares names without case; ``location ~`` with it."""
    return Pattern(text, caseless=caseless)
