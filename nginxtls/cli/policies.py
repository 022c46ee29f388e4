"""``nginxtls policies``: the policies that there are, with source, edition, date and what each rests on."""

from __future__ import annotations

import enum
import json
from typing import Annotated, Any

import typer


class Form(str, enum.Enum):
    """The output formats of the command."""

    text = "text"
    json = "json"


def policies(
    form: Annotated[Form, typer.Option("--format", help="How to print the list.")] = Form.text,
) -> None:
    """List the policies with publisher, edition, date, source and basis."""
    from nginxtls.tls import policies as names
    from nginxtls.tls import policy
    from nginxtls.tls.policy_files import ALIASES

    listed: list[dict[str, Any]] = []
    for name in names():
        found = policy(name)
        listed.append(
            {
                "name": name,
                "aliases": [alias for alias, target in ALIASES.items() if target == name],
                "title": found.title,
                "publisher": found.publisher,
                "version": found.version,
                "date": found.date,
                "status": found.status,
                "source": found.reference,
                "checked": found.checked,
                "basis": sorted({str(rule.get("basis", "text")) for rule in found.items.values()}),
                "items": list(found.items),
            }
        )
    if form is Form.json:
        print(json.dumps(listed))
        return
    for entry in listed:
        aliases = f" (also {', '.join(entry['aliases'])})" if entry["aliases"] else ""
        print(f"{entry['name']}{aliases}")
        print(f"  {entry['title']}, {entry['date']}; {entry['status']}")
        print(f"  {entry['source']}")
        print(f"  basis: {', '.join(entry['basis'])}; checked {entry['checked']}")
