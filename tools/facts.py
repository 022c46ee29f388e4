#!/usr/bin/env python3
"""List the fact files with source and age, and compare them with local copies of their sources.

    python tools/facts.py                                                   # the list
    python tools/facts.py --nginx GIT --advisories XML --generations FOLDER --openssl-changes FILE --tlsref JSON

Each option names a copy of a source; what has none is not checked, which is said. Prints the differences and exits with
code 1 if there are any. It changes no file: what a difference means for the rules and their prose a person decides, and
then moves the date ``checked`` of the file and ``DATE`` in nginxtls/base/freshness.py.

    --nginx            clone of nginx with tags: directives.tsv, variables.tsv, stock.tsv, releases.json
    --advisories       xml/en/security_advisories.xml of nginx.org: cves.json
    --generations      the folder that tests/conformance/generations.py fills: suites.tsv, groups.tsv,
                       default_groups.tsv, and with the
                       CHANGES in its packages openssl_flaws.json
    --openssl-changes  CHANGES.md of another OpenSSL branch, may be repeated: openssl_flaws.json
    --tlsref           TLSRef's or Mozilla's server-side guidelines, JSON: policies/mozilla-*.json of that version
"""

from __future__ import annotations

import argparse
import difflib
import gzip
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent))

import nginx_directives  # noqa: E402
import nginx_flaws  # noqa: E402
import nginx_variables  # noqa: E402

SECTION = re.compile(r"^### Changes between \S+ and (\S+) .*?$(.*?)(?=^### |\Z)", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\(\[(CVE-\d{4}-\d+)\]")
#: Schemas and the list of rules that have fixes hold no facts.
NO_FACTS = ("examples.tsv", "fixes.tsv", "limits.tsv", "needs.tsv", "related.tsv", "since.tsv")
"""Tables of what the project itself decides."""
FACTS = sorted(
    path
    for folder in ("nginxtls", "rules")
    for pattern in ("*.tsv", "*.json")
    for path in (ROOT / folder).rglob(pattern)
    if "schema" not in path.name and path.name not in NO_FACTS
)


class Fact(NamedTuple):
    """A fact file: where its facts are from, and when they were last compared with that."""

    path: Path
    source: str
    checked: date


def fact(path: Path) -> Fact:
    """Read the source and date of a fact file. Raises ValueError if it lacks one."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        data = json.loads(text)
        source, checked = data.get("source") or data.get("reference"), data.get("checked")
    else:
        head = dict(re.findall(r"^# (source|checked): (.+)$", text, re.MULTILINE))
        source, checked = head.get("source"), head.get("checked", "")[:10]
    if not source or not checked:
        raise ValueError(f"{path.relative_to(ROOT)}: {'no date' if source else 'no source'}")
    return Fact(path, source, date.fromisoformat(checked))


def remade(tool: str, table: Path, folder: Path) -> Iterator[str]:
    """The lines in which a table differs from what its tool makes of real OpenSSLs."""
    done = subprocess.run([sys.executable, ROOT / "tools" / tool, folder], capture_output=True, text=True, check=True)
    old = [line for line in table.read_text().splitlines() if not line.startswith("#")]
    new = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    yield from (line for line in difflib.ndiff(old, new) if line[:1] in "-+")


def default_groups(folder: Path) -> Iterator[str]:
    """Where default_groups.tsv differs from the list in the libssl of a generation; those before 3.5 have none."""
    table = (ROOT / "nginxtls/tls/default_groups.tsv").read_text().splitlines()
    ours = dict(line.split("\t") for line in table if line[:1] not in ("", "#"))
    for library in sorted(folder.glob("*/usr/lib/x86_64-linux-gnu/libssl.so.[0-9]")):
        found = re.search(rb"\?\*?X25519MLKEM768[\w:?*/ ]+", library.read_bytes())
        if found is None:
            continue
        theirs = re.sub(r"[?* ]", "", found[0].decode()).replace("secp256r1", "P-256")
        theirs = re.sub(r"secp(384|521)r1", r"P-\1", theirs)
        if theirs not in ours.values():
            yield f"{library.parents[3].name}: {theirs}"


def variables(repository: Path) -> Iterator[str]:
    """The lines in which variables.tsv differs from the result of its tool."""
    old = [line for line in nginx_variables.TABLE.read_text().splitlines() if line[:1] not in ("", "#")][1:]
    yield from (line for line in difflib.ndiff(old, list(nginx_variables.rows(repository))) if line[:1] in "-+")


def stock(repository: Path, tag: str) -> Iterator[str]:
    """Files in conf/ of nginx that stock.tsv lacks, and those that it has and conf/ lacks."""
    names = nginx_directives.git(repository, "ls-tree", "--name-only", tag, "conf/").split()
    theirs = {name.removeprefix("conf/") for name in names} - {"nginx.conf"}
    table = (ROOT / "nginxtls/syntax/stock.tsv").read_text().splitlines()
    ours = {line.split("\t")[0] for line in table if line.endswith("nginx/nginx/tree/master/conf")}
    yield from (f"{name}: in conf/, not in the table" for name in sorted(theirs - ours))
    yield from (f"{name}: in the table, not in conf/" for name in sorted(ours - theirs))


def releases(repository: Path) -> Iterator[str]:
    """Branches of nginx that are newer than those in releases.json."""
    data = json.loads((ROOT / "rules/releases.json").read_text())
    versions = [nginx_directives.version(tag) for tag in nginx_directives.releases(repository)]
    for name, odd in (("nginx_stable", 0), ("nginx_mainline", 1)):
        newest = max(version[:2] for version in versions if version[1] % 2 == odd)
        if ".".join(map(str, newest)) != data[name]:
            yield f"{name}: {data[name]}, newest tag of its kind: {newest[0]}.{newest[1]}"


def openssl_flaws(files: list[Path]) -> Iterator[str]:
    """Fixes in openssl_flaws.json that CHANGES do not confirm.

    Also flaws fixed in the newest version of a branch that the table neither has nor leaves out.
    A file is complete for its own branch; of older ones it has what was known when it began, so that a mention counts.
    """
    table = json.loads((ROOT / "rules/openssl_flaws.json").read_text())
    flaws = table["flaws"]
    judged = {*table["left_out"], *(flaw["id"] for flaw in flaws)}
    new: dict[str, str] = {}
    seen: set[str] = set()
    for file in files:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        sections = dict(SECTION.findall(data.decode("utf-8", "replace")))
        if not sections:
            continue  # of OpenSSL 1.1.1 and before, which have another form
        newest = next(iter(sections))
        branch = newest.rpartition(".")[0] + "."
        new |= {number: newest for number in NUMBER.findall(sections[newest]) if number not in judged}
        for flaw in flaws:
            for version in flaw["fixed_in"]:
                if version not in sections:
                    continue
                mentioned = flaw["id"] in sections[version]
                if mentioned or version.startswith(branch):
                    seen.add(flaw["id"])
                if not mentioned and version.startswith(branch):
                    yield f"{flaw['id']}: CHANGES of {version} do not mention it"
    for number, version in new.items():
        yield f"{number}, fixed in {version}: neither in the table nor left out"
    for flaw in flaws:
        if flaw["id"] not in seen:
            yield f"{flaw['id']}: no given CHANGES are of the branches of {', '.join(flaw['fixed_in'])}"


def policies(file: Path) -> Iterator[str]:
    """Differences between guidelines in Mozilla's format and the policies of that version."""
    given = json.loads(file.read_text())
    version = str(given["version"])
    for path in sorted((ROOT / "nginxtls/tls/policies").glob("*.json")):
        policy = json.loads(path.read_text())
        profile = str(policy.get("title", "")).rpartition(" ")[2]
        if "schema" in path.name or str(policy.get("version")) != version or profile not in given["configurations"]:
            continue
        theirs = given["configurations"][profile]
        pairs = (
            ("protocols", policy.get("protocols", {}).get("allowed"), theirs["tls_versions"]),
            ("ciphersuites", policy.get("ciphersuites", {}).get("allowed"), theirs["ciphersuites"]),
            ("suites", policy.get("suites", {}).get("allowed"), theirs["ciphers"].get("openssl", [])),
        )
        for what, ours, other in pairs:
            if sorted(ours or []) != sorted(other):
                yield f"{path.name}: {what} {ours}, {file.name}: {other}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nginx", metavar="GIT", type=Path)
    parser.add_argument("--advisories", metavar="XML", type=Path)
    parser.add_argument("--generations", metavar="FOLDER", type=Path)
    parser.add_argument("--openssl-changes", metavar="FILE", type=Path, action="append", default=[])
    parser.add_argument("--tlsref", metavar="JSON", type=Path)
    given = parser.parse_args()
    checks: dict[str, Iterator[str]] = {}
    if given.nginx:
        tag = nginx_directives.releases(given.nginx)[-1]
        checks[f"directives.tsv ({tag})"] = nginx_directives.differences(given.nginx, tag)
        checks["variables.tsv"] = variables(given.nginx)
        checks["stock.tsv"] = stock(given.nginx, tag)
        checks["releases.json"] = releases(given.nginx)
    if given.advisories:
        data = json.loads(nginx_flaws.TABLE.read_text())
        checks["cves.json"] = nginx_flaws.differences(nginx_flaws.advisories(given.advisories), data)
    if given.generations:
        for name in ("suites", "groups"):
            table = ROOT / f"nginxtls/tls/{name}.tsv"
            checks[table.name] = remade(f"tls_{name}.py", table, given.generations)
        checks["default_groups.tsv"] = default_groups(given.generations)
        given.openssl_changes += sorted(given.generations.glob("*/usr/share/doc/openssl/changelog.gz"))
    if given.openssl_changes:
        checks["openssl_flaws.json"] = openssl_flaws(given.openssl_changes)
    if given.tlsref:
        checks["policies"] = policies(given.tlsref)
    differing = 0
    for name, lines in checks.items():
        found = list(lines)
        differing += len(found)
        print(f"{name}: {len(found)} differences")
        for line in found:
            print(f"  {line}")
    if not checks:
        for path in FACTS:
            entry = fact(path)
            age = (date.today() - entry.checked).days
            print(f"{path.relative_to(ROOT)!s:52} {entry.checked} ({age} days)  {entry.source}")
        print(f"facts of {min(fact(path).checked for path in FACTS)}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
