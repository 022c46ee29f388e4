"""The error for a request that cannot be carried out: one message, exit code 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.secrets import hide

if TYPE_CHECKING:
    from collections.abc import Iterable


class UsageError(Exception):
    """A request that cannot be carried out: one message, and the command exits with code 2.

    ``subject`` is an option, a file or a package, ``reason`` what is wrong with it, ``help`` what to do about it.
    Key material in a file that they quote is hidden.
    """

    def __init__(self, subject: str, reason: str, help: str = "") -> None:
        self.subject, self.reason, self.help = hide(subject), hide(reason), hide(help)
        super().__init__(f"{self.subject}: {self.reason}")

    def __reduce__(self) -> tuple[type[UsageError], tuple[str, str, str]]:
        """For pickle: a worker of another process may raise it."""
        return type(self), (self.subject, self.reason, self.help)


def is_fault(error: BaseException) -> bool:
    """Whether it is a fault of code, a panic of a library in Rust included, and no interrupt or exit."""
    return isinstance(error, Exception) or type(error).__module__ == "pyo3_runtime"


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean "x"?`` with the known word that is nearest, or an empty text."""
    found = closest(word, known)
    return f'did you mean "{found}"?' if found else ""


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that is nearest, or an empty text."""
    import difflib

    return next(iter(difflib.get_close_matches(word[:80], list(known), n=1)), "")


def printable(text: str) -> str:
    """The text with unprintable characters written as escapes: a file name may contain terminal control sequences."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
