"""From the text of an error to its causes: what clients, logs and nginx print when TLS fails, and the rules."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from nginxtls.base.data import read_data
from nginxtls.base.lazy import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

_LEAST = 0.6
"""The part of the words of a known text that a search must have."""


class Cause(NamedTuple):
    """A cause, and the rules that report it."""

    text: str
    rules: tuple[str, ...]


class Trouble(NamedTuple):
    """What people see when TLS fails. The first of ``texts`` is the title; ``command`` shows more."""

    name: str
    texts: tuple[str, ...]
    where: str
    meaning: str
    causes: tuple[Cause, ...]
    command: str


@lru_cache(maxsize=1)
def troubles() -> tuple[Trouble, ...]:
    """All that are known, the commonest first."""
    import yaml

    text = read_data("nginxtls.linting", "troubles.yaml")
    known = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["troubles"]  # in C: a tenth of the time
    return tuple(
        Trouble(
            entry["name"],
            tuple(entry["texts"]),
            entry["where"],
            entry["meaning"],
            tuple(Cause(cause["text"], tuple(cause["rules"])) for cause in entry["causes"]),
            entry["try"],
        )
        for entry in known
    )


def find(text: str) -> list[Trouble]:
    """The troubles that a text of an error names, best first.

    Those with a text that is part of it, longest first; otherwise those with most of their words in it.
    """
    wanted = _plain(text)
    words = set(wanted.split())
    scores: list[tuple[float, int, Trouble]] = []
    for place, trouble in enumerate(troubles()):
        best = 0.0
        for known in map(_plain, trouble.texts):
            if f" {known} " in f" {wanted} " or (len(wanted) > 4 and f" {wanted} " in f" {known} "):
                best = max(best, 1.0 + len(known))
            else:
                parts = known.split()
                shared = sum(part in words for part in parts)
                best = max(best, shared / len(parts) if shared > 1 else 0.0)
        if best >= _LEAST:
            scores.append((-best, place, trouble))
    scores.sort()
    return [trouble for score, _, trouble in scores if score <= -1 or not scores or scores[0][0] > -1]


def _plain(text: str) -> str:
    """Words in lower case without punctuation; names such as ``ERR_SSL_PROTOCOL_ERROR`` stay whole."""
    return " ".join(re.findall(r"[a-z0-9_]+", text.lower()))


def section(trouble: Trouble, pages: Collection[str] | None = None, folder: str = "rules/") -> str:
    """A trouble in Markdown; rules in ``pages`` (None: none) are linked."""

    def named(rule: str) -> str:
        return f"[{rule}]({folder}{rule}.md)" if pages is not None and rule in pages else f"`{rule}`"

    texts = ", ".join(f"`{text}`" for text in trouble.texts)
    causes = "\n".join(f"- {cause.text} {', '.join(map(named, cause.rules))}" for cause in trouble.causes)
    return (
        f"## {trouble.texts[0]}\n\n{trouble.meaning}\n\nSeen as {texts}; in {trouble.where}.\n\n{causes}\n\n"
        f"```sh\n{trouble.command}\n```\n"
    )


def page(pages: Collection[str]) -> str:
    """The page of all troubles; ``pages`` are the names of the rules that have a page."""
    head = (
        '# Troubleshooting\n\nFrom the text of an error to its causes. `nginxtls explain "TEXT"` finds the section in a'
        " terminal; the rules named with a cause report it.\n"
    )
    return "\n".join((head, *(section(trouble, pages) for trouble in troubles())))
