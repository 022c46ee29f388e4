#!/usr/bin/env python3
"""Compare rules/cves.json with nginx's security advisories: versions, fixes, severity, and what is left out.

    python tools/nginx_flaws.py security_advisories.xml

The file is xml/en/security_advisories.xml of the source of nginx.org. Prints one line for each difference and exits
with code 1 if there is any. Each advisory is either in the table or among those that it leaves out. Flaws that other
sources made known and that the file does not have (yet) are counted, not compared.
"""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[1] / "rules/cves.json"
HERE = "nginx.org security advisories"


def advisories(path: Path) -> dict[str, dict[str, str]]:
    """The attributes of each advisory by CVE number (``CVE-2026-42530``); one item may have several numbers."""
    text = re.sub(r"<!DOCTYPE.*?>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    out: dict[str, dict[str, str]] = {}
    for item in ET.fromstring(text).iter("item"):
        numbers = [item.get("cve", ""), *(other.get("cve", "") for other in item.iter("cve"))]
        for number in re.findall(r"\d{4}-\d+", " ".join(numbers)):
            out[f"CVE-{number}"] = dict(item.attrib)
    return out


def spans(text: str) -> list[tuple[str, str]]:
    """``1.25.0-1.25.5, 1.26.0`` as pairs of first and last version."""
    found = []
    for part in re.split(r",\s*", text.strip()):
        first, _, last = part.partition("-")
        found.append((first, last or first))
    return found


def differences(advised: dict[str, dict[str, str]], data: dict[str, Any]) -> Iterator[str]:
    """Each difference as a line."""
    ours = {flaw["id"]: flaw for flaw in data["cves"]}
    left_out = {number for numbers in data["left_out"].values() for number in numbers}
    for number, attributes in advised.items():
        if number in left_out:
            if number in ours:
                yield f"{number}: in the table and left out"
            continue
        flaw = ours.get(number)
        if flaw is None:
            yield f"{number}: {attributes.get('name')}: neither in the table nor left out"
            continue
        reported = [(span["from"], span["to"]) for span in flaw["vulnerable"]]
        if sorted(reported) != sorted(spans(attributes.get("vulnerable", ""))):
            yield f"{number}: vulnerable {reported}, advisory: {attributes.get('vulnerable')}"
        fixed = sorted(text.rstrip("+") for text in re.split(r",\s*", attributes.get("good", "")))
        if sorted(flaw["fixed_in"]) != fixed:
            yield f"{number}: fixed in {flaw['fixed_in']}, advisory: {attributes.get('good')}"
        if flaw["severity"] != (severity := attributes.get("severity")) and severity != "none":
            yield f"{number}: severity {flaw['severity']}, advisory: {severity}"
    for number, flaw in ours.items():
        if number not in advised and any(source.startswith(HERE) for source in flaw["sources"]):
            yield f"{number}: not among the advisories"


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    advised, data = advisories(Path(sys.argv[1])), json.loads(TABLE.read_text())
    found = list(differences(advised, data))
    for line in found:
        print(line)
    elsewhere = [flaw["id"] for flaw in data["cves"] if flaw["id"] not in advised]
    print(f"{len(advised)} advisories, {len(data['cves'])} flaws, {len(found)} differences")
    print(f"known from other sources: {', '.join(elsewhere) or 'none'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
