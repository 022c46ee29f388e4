"""The rules as pages: one in Markdown per rule and a table of all, from the classes themselves."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from nginxtls.base.data import read_data
from nginxtls.linting.fixable import fixes
from nginxtls.linting.troubles import troubles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nginxtls.linting.troubles import Trouble
    from nginxtls.rule import Rule

_FENCE = re.compile(r"^```nginx (good|bad)([^\n]*)$", re.MULTILINE)
_SHORT = 4
"""Texts up to this length, such as ``421``, are in a documentation by chance."""
_LABEL = re.compile(r"^(Clients|Fix):", re.MULTILINE)
_LABELS = {"Clients": "What clients experience", "Fix": "Fix"}
"""The labels of paragraphs in a documentation, as pages show them."""
_FILES = {"certificate": "ssl_certificate", "key": "ssl_certificate_key"}
"""The directives of the files that an example names beside its text."""


def page(rule: Rule) -> str:
    """The page of a rule."""
    facts = [f"**{rule.severity}**", f"topic {rule.topic}", f"confidence {rule.confidence.value}"]
    if rule.security_severity:
        facts.append(f"security severity {rule.security_severity}")
    facts += [f"[CWE-{number}](https://cwe.mitre.org/data/definitions/{number}.html)" for number in rule.cwe]
    if rule.since:
        facts.append(f"applies {_since(rule.since)}")
    if version := added(rule):
        facts.append(f"in nginxtls since {version}")
    if rule.pedantic:
        facts.append("only with `--pedantic`, or when selected by name")
    if (kinds := fixes(rule)) is not None:
        facts.append(f"[{' or '.join(kinds) or 'no'} fix](../fixing.md)")
    text = _LABEL.sub(lambda label: f"**{_LABELS[label[1]]}:**", rule.documentation)
    parts = [f"# {rule.name}", ", ".join(facts), _FENCE.sub(_fence, text)]
    if texts := _seen(rule):
        parts.append(
            f"## Seen as\n\n{', '.join(f'`{text}`' for text in texts)}: [troubleshooting](../troubleshooting.md)"
        )
    if commands := by_hand().get(rule.name) or by_hand().get(rule.topic):
        parts.append("## Check by hand\n\n```sh\n" + "\n".join(commands) + "\n```")
    if related := related_rules(rule):
        parts.append("## Related rules\n\n" + ", ".join(f"[{name}]({name}.md)" for name in related))
    if rule.references:
        parts.append("## References\n\n" + "\n".join(f"- {_link(reference)}" for reference in rule.references))
    return "\n\n".join(parts) + "\n"


def _seen(rule: Rule) -> list[str]:
    """The texts of the errors that a rule is a cause of, as far as its own documentation has them."""
    texts = [text for trouble in _troubles_of(rule.name) for text in trouble.texts]
    own = [text for text in texts if len(text) > _SHORT and text in rule.documentation]
    # A text within another one, as "no start line" in a longer message, adds nothing.
    return [text for text in own if not any(text != other and text in other for other in own)]


def related_rules(rule: Rule) -> list[str]:
    """The names of other rules about the same matter or cause of an error, or else of the same module."""
    causes = [cause.rules for trouble in _troubles_of(rule.name) for cause in trouble.causes]
    groups = [group for group in (*causes, *_rows("related.tsv", head=0)) if rule.name in group]
    return sorted({name for group in groups or [_siblings(rule)] for name in group} - {rule.name})


def _siblings(rule: Rule) -> list[str]:
    """The rules of the same module."""
    from nginxtls.linting.registry import installed_rules

    return [name for name, other in installed_rules().items() if type(other).__module__ == type(rule).__module__]


def _since(text: str) -> str:
    """``since nginx 1.15.9``, or the text itself if it begins with a word such as *before*."""
    return text if text.startswith("before ") else f"since {text}"


def added(rule: Rule) -> str:
    """The first version of nginxtls with a rule; empty for the rules of other packages."""
    own = type(rule).__module__.startswith("nginxtls.")
    return _versions().get(rule.name, "the next release") if own else ""


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    return dict(_rows("since.tsv", head=0))


def _troubles_of(name: str) -> list[Trouble]:
    return [trouble for trouble in troubles() if any(name in cause.rules for cause in trouble.causes)]


@lru_cache(maxsize=1)
def by_hand() -> dict[str, list[str]]:
    """By rule, and by topic for its other rules: commands that show what they are about, without nginxtls."""
    found: dict[str, list[str]] = {}
    for names, command in _rows("by_hand.tsv"):
        for name in names.split(","):
            found.setdefault(name, []).append(command)
    return found


def index(rules: Iterable[Rule]) -> str:
    """The table of all rules, by topic."""
    lines = [
        "# Rules",
        "",
        '<div id="rule-filter"></div>',
        "",
    ]
    by_topic: dict[str, list[Rule]] = {}
    for rule in rules:
        by_topic.setdefault(rule.topic, []).append(rule)
    for topic, members in sorted(by_topic.items()):
        lines += [f"## {topic}", "", "| rule | severity | fix | what is wrong |", "|---|---|---|---|"]
        for rule in members:
            extra = " (pedantic)" if rule.pedantic else ""
            summary = rule.summary.replace("|", "\\|")
            kinds = fixes(rule)
            kind = "" if kinds is None else ", ".join(kinds) or "none"
            lines.append(f"| [{rule.name}]({rule.name}.md) | {rule.severity}{extra} | {kind} | {summary} |")
        lines.append("")
    return "\n".join(lines)


def _fence(match: re.Match[str]) -> str:
    """The head of an example: its options in words, those that are files as the lines that name them."""
    head = "Good" if match[1] == "good" else "Bad"
    options = [option.strip() for option in match[2].split(",") if option.strip()]
    shown, lines = [], []
    for option in options:
        name, _, value = option.partition(":")
        directive, file = _FILES.get(name), value.strip()
        if directive and file in contents():
            lines.append(f"{directive} {file};  # {contents()[file]}\n")
        elif option != "certificate: none":
            shown.append(option)
    options_text = f" ({', '.join(shown)})" if shown else ""
    return f"{head}{options_text}:\n\n```nginx\n{''.join(lines)}".rstrip("\n")


@lru_cache(maxsize=1)
def contents() -> dict[str, str]:
    """What the files of examples have in them, in words, by name."""
    return dict(_rows("examples.tsv"))


def _rows(table: str, head: int = 1) -> Iterator[list[str]]:
    """The rows of a table of this package, without its comments and ``head`` lines."""
    lines = [line for line in read_data("nginxtls.linting", table).splitlines() if not line.startswith("#")]
    return (line.split("\t") for line in lines[head:])


def _link(reference: str) -> str:
    return f"<{reference}>" if reference.startswith("http") else reference
