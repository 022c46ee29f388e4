"""What the shell's Tab key completes: rules, topics, policies, formats and clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping


def rules(incomplete: str) -> list[str]:
    """The rules whose name begins so, and those of ``nginxtls verify``."""
    from nginxtls.linting.registry import installed_rules
    from nginxtls.live.differences import rules as live

    return _beginning(incomplete, {**installed_rules(), **live()})


def rules_and_topics(incomplete: str) -> list[str]:
    """The rules and topics for the last of the words that a comma separates."""
    from nginxtls.linting.registry import installed_rules

    known = installed_rules()
    return _last_of_several(incomplete, [*known, *(rule.topic for rule in known.values())])


def policies(incomplete: str) -> list[str]:
    """The policies for the last of the words that a comma separates."""
    from nginxtls.tls import policies as names
    from nginxtls.tls.policy_files import ALIASES

    return _last_of_several(incomplete, [*names(), *ALIASES])


def report_formats(incomplete: str) -> list[str]:
    """The formats of a report."""
    from nginxtls.report import formats

    return _beginning(incomplete, formats())


def verify_formats(incomplete: str) -> list[str]:
    """The formats of ``nginxtls verify``."""
    return [*report_formats(incomplete), *_beginning(incomplete, ["prometheus"])]


def outputs(incomplete: str) -> list[str]:
    """The formats before the colon of ``FORMAT:FILE``; the shell completes the file."""
    from nginxtls.report import formats

    return _beginning(incomplete, [f"{name}:" for name in formats()])


def clients(incomplete: str) -> list[str]:
    """The groups and families of clients."""
    from nginxtls.tls.clients import KINDS
    from nginxtls.tls.clients import clients as known

    return _beginning(incomplete, [*KINDS, "recorded", *sorted({client.family for client in known()})])


def join_bash_words(environment: MutableMapping[str, str]) -> None:
    """Remove each ``=`` that is a word: to bash ``--format=sa`` is three words, of which it completes the last."""
    words, number = environment.get("COMP_WORDS", "").split("\n"), environment.get("COMP_CWORD", "")
    if not number.isdecimal():
        return
    before = words[: int(number) + 1].count("=")
    environment["COMP_WORDS"] = "\n".join(word for word in words if word != "=")
    environment["COMP_CWORD"] = str(int(number) - before + (words[int(number) : int(number) + 1] == ["="]))


def among(*words: str) -> Callable[[str], list[str]]:
    """A completion to one of a few words."""

    def complete(incomplete: str) -> list[str]:
        return _beginning(incomplete, words)

    return complete


def _last_of_several(incomplete: str, words: Iterable[str]) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{word}" for word in _beginning(last, words)]


def _beginning(start: str, words: Iterable[str]) -> list[str]:
    return sorted({word for word in words if word.startswith(start)})
