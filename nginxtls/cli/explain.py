"""``nginxtls explain``: the page of a rule, the causes of an error, or the items of a policy as a table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from nginxtls.base.errors import UsageError
from nginxtls.cli import completion

if TYPE_CHECKING:
    from nginxtls.tls import Policy


def explain(
    rule: Annotated[
        str,
        typer.Argument(
            metavar="[RULE|TEXT]",
            autocompletion=completion.rules,
            help="The rule's name, such as missing-intermediate, or the text of an error.",
            show_default=False,
        ),
    ] = "",
    policy: Annotated[
        str,
        typer.Option(
            "--policy",
            metavar="NAME",
            autocompletion=completion.policies,
            help="The name of a policy, or a policy file.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Explain a rule or the text of an error, or list the requirements of a policy."""
    if bool(rule) == bool(policy):
        raise UsageError(
            "nginxtls explain", "needs the name of a rule or a policy", "run `nginxtls rules` for a list of all rules"
        )
    if policy:
        from nginxtls.api import named_policy

        text = _table(named_policy(policy))
    else:
        from nginxtls.linting.pages import page
        from nginxtls.linting.registry import find_rule, installed_rules
        from nginxtls.live.differences import rules

        known = {**installed_rules(), **rules()}
        text = "" if rule in known else _troubles(rule)
        text = text or page(find_rule(known, rule))
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        print(text, end="")


def _troubles(text: str) -> str:
    """The sections about the text of an error, at most two; empty if none is."""
    from nginxtls.linting.troubles import find, section

    return "\n".join(map(section, find(text)[:2]))


def _table(policy: Policy) -> str:
    """The policy as a Markdown table: item, requirement, clause."""
    lines = [
        f"# {policy.title}",
        "",
        f"{policy.publisher}, version {policy.version} of {policy.date}; {policy.status}. <{policy.reference}>",
        "",
        "| item | requirement | clause |",
        "| --- | --- | --- |",
    ]
    for item, details in policy.items.items():
        required = "; ".join(
            f"{name.replace('_', ' ')}: {_words(value)}"
            for name, value in details.items()
            if name not in ("clause", "basis")
        )
        lines.append(f"| {item.replace('_', ' ')} | {required} | {details.get('clause', '')} |")
    lines += ["", *(f"- {note}" for note in policy.notes)]
    return "\n".join(lines).rstrip() + "\n"


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(inner)}" for key, inner in value.items())
    return str(value)
