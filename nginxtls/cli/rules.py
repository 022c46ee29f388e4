"""``nginxtls rules``: all installed rules, as a table, as JSON or as pages."""

from __future__ import annotations

import json
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from nginxtls.base.writing import write
from nginxtls.cli import completion
from nginxtls.cli.values import words

if TYPE_CHECKING:
    from nginxtls.rule import Rule


class Form(str, Enum):
    """The output formats of the list."""

    text = "text"
    json = "json"
    markdown = "markdown"


def rules(
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.text,
    select: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--select",
            metavar="RULE,...",
            autocompletion=completion.rules_and_topics,
            help="Only list these rules, topics or patterns.",
            show_default=False,
        ),
    ] = None,
    pages: Annotated[
        str,
        typer.Option(
            "--pages", metavar="DIR", help="Write a Markdown page per rule to this folder.", show_default=False
        ),
    ] = "",
    settings_schema: Annotated[
        bool, typer.Option("--settings-schema", help="Print the JSON schema of .nginxtls.yaml.")
    ] = False,
) -> None:
    """List the installed rules."""
    from nginxtls.linting.fixable import fixes
    from nginxtls.linting.pages import index
    from nginxtls.linting.registry import choose, installed_rules

    if settings_schema:
        from nginxtls.linting.settings import schema

        print(json.dumps(schema(), indent=2))
        return
    chosen = choose(installed_rules(), words(select), (), pedantic=True)
    if pages:
        _write(Path(pages), chosen)
    elif form is Form.markdown:
        sys.stdout.write(index(chosen))
    elif form is Form.json:
        print(json.dumps([_row(rule) for rule in chosen], indent=2))
    else:
        width = max((len(rule.name) for rule in chosen), default=0)
        for rule in chosen:
            marks = ["pedantic"] if rule.pedantic else []
            if (kinds := fixes(rule)) is not None:
                marks.append(f"{' or '.join(kinds) or 'no'} fix")
            mark = f" ({', '.join(marks)})" if marks else ""
            print(f"{rule.name:{width}}  {rule.severity!s:7}  {rule.summary}{mark}")


def _row(rule: Rule) -> dict[str, object]:
    from nginxtls.linting.fixable import fixes
    from nginxtls.linting.pages import added

    kinds = fixes(rule)
    return {
        "name": rule.name,
        "topic": rule.topic,
        "severity": str(rule.severity),
        "security_severity": rule.security_severity,
        "confidence": rule.confidence.value,
        "pedantic": rule.pedantic,
        "fixes": None if kinds is None else list(kinds),
        "since": rule.since,
        "added": added(rule),
        "cwe": list(rule.cwe),
        "references": list(rule.references),
        "summary": rule.summary,
        "experience": rule.experience,
        "documentation": rule.documentation,
    }


def _write(folder: Path, chosen: list[Rule]) -> None:
    from nginxtls.linting.pages import index, page

    folder.mkdir(parents=True, exist_ok=True)
    texts = {f"{rule.name}.md": page(rule) for rule in chosen} | {"index.md": index(chosen)}
    for stale in {path.name for path in folder.glob("*.md")} - texts.keys():
        (folder / stale).unlink()
    for name, text in texts.items():
        write(folder / name, text.encode())
