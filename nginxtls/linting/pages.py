"""The rules as pages: one in Markdown per rule and a table of all, from the classes themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.linting.fixable import fixes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nginxtls.rule import Rule

_FENCE = re.compile(r"^```nginx (good|bad)([^\n]*)$", re.MULTILINE)


def page(rule: Rule) -> str:
    """The page of a rule."""
    facts = [f"**{rule.severity}**", f"topic {rule.topic}", f"confidence {rule.confidence.value}"]
    if rule.security_severity:
        facts.append(f"security severity {rule.security_severity}")
    facts += [f"[CWE-{number}](https://cwe.mitre.org/data/definitions/{number}.html)" for number in rule.cwe]
    if rule.since:
        facts.append(f"since {rule.since}")
    if rule.pedantic:
        facts.append("only with `--pedantic`, or when selected by name")
    if (kinds := fixes(rule)) is not None:
        facts.append(f"[{' or '.join(kinds) or 'no'} fix](../fixing.md)")
    parts = [f"# {rule.name}", ", ".join(facts), _FENCE.sub(_fence, rule.documentation)]
    if rule.references:
        parts.append("## References\n\n" + "\n".join(f"- {_link(reference)}" for reference in rule.references))
    return "\n\n".join(parts) + "\n"


def index(rules: Iterable[Rule]) -> str:
    """The table of all rules, by topic."""
    lines = ["# Rules", ""]
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
    words = "Good" if match[1] == "good" else "Bad"
    options = f" ({match[2].strip(' ,')})" if match[2].strip(" ,") else ""
    return f"{words}{options}:\n\n```nginx"


def _link(reference: str) -> str:
    return f"<{reference}>" if reference.startswith("http") else reference
