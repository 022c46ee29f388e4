"""Writes the manual pages of all commands, from their help, into a folder: nginxtls.1, nginxtls-check.1 ….

python tools/man_pages.py man/ && man -l man/nginxtls-check.1
"""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import typer

import nginxtls
from nginxtls.base.freshness import DATE
from nginxtls.cli.application import COMMANDS, app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / f"{name}.1").write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """The pages in roff, by name without the section."""
    group: Any = typer.main.get_command(app)
    context = group.context_class(group, info_name="nginxtls")
    commands = {name: group.get_command(context, name) for name in COMMANDS}
    found = {"nginxtls": _page("nginxtls", group, context, [f"nginxtls-{name}" for name in commands])}
    for name, command in commands.items():
        inner = command.context_class(command, info_name=f"nginxtls {name}")
        found[f"nginxtls-{name}"] = _page(f"nginxtls-{name}", command, inner, ["nginxtls"])
        for sub, each in getattr(command, "commands", {}).items():
            below = each.context_class(each, info_name=f"nginxtls {name} {sub}")
            found[f"nginxtls-{name}-{sub}"] = _page(f"nginxtls-{name}-{sub}", each, below, [f"nginxtls-{name}"])
    return found


def _page(name: str, command: Any, context: Any, others: list[str]) -> str:
    paragraphs = [" ".join(text.split()) for text in (command.help or "").split("\n\n")]
    day = datetime(DATE.year, DATE.month, DATE.day, tzinfo=timezone.utc)
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = [
        f'.TH "{name.upper()}" 1 "{day:%Y-%m-%d}" "nginxtls {nginxtls.__version__}" "nginxtls"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(paragraphs[0].rstrip('.'))}",
        ".SH SYNOPSIS",
        _text(" ".join(usage.split())),
        ".SH DESCRIPTION",
    ]
    for paragraph in paragraphs:
        lines += [".PP", _text(paragraph)]
    entries = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    if entries:
        lines.append(".SH OPTIONS")
    for option, about in entries:
        lines += [".TP", f".B {_text(option)}", _text(" ".join(about.split()))]
    lines += [".SH SEE ALSO", ", ".join(f".BR {_text(other)} (1)" for other in others[:1])]
    lines += [f".BR {_text(other)} (1)" for other in others[1:]]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """Plain text in roff: no backslash is an escape, no dot at the start of a line a request, a hyphen is a minus."""
    text = re.sub(r"^([.'])", r"\\&\1", text.replace("\\", "\\e"))
    return text.replace("-", "\\-")


if __name__ == "__main__":
    main()
