"""Compares the findings of two commits on a folder of configurations, for the review of a change.

    python tools/corpus_diff.py FOLDER OLD [NEW] [--details]

Each folder directly inside FOLDER is checked by itself, as a repository of its own, without settings and at one moment.
NEW is the working tree by default. Findings are matched by rule, severity, file and line; a message that was only
reworded is not a difference. Prints the gained and lost findings by rule, with ``--details`` each of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
PARTS = ("nginxtls", "rules", "pyproject.toml", "README.md", "LICENSE")


class Found(NamedTuple):
    """A finding as two commits can have it in common."""

    rule: str
    severity: str
    file: str
    line: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("old", help="commit")
    parser.add_argument("new", nargs="?", help="commit (default: the working tree)")
    parser.add_argument("--at", default="2026-06-15", help="the moment for which certificates are judged")
    parser.add_argument("--details", action="store_true", help="print each finding that was gained or lost")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nginxtls-corpus-") as scratch:
        packages = [
            install(commit, Path(scratch) / str(number)) for number, commit in enumerate((options.old, options.new))
        ]
        before, after = (findings(package, options.folder, options.at) for package in packages)
    gained, lost = Counter(after) - Counter(before), Counter(before) - Counter(after)
    print(f"{sum(before.values()):,} findings before, {sum(after.values()):,} after")
    for title, difference, messages in (("gained", gained, after), ("lost", lost, before)):
        print(f"\n{title}: {sum(difference.values()):,}")
        by_rule = Counter[tuple[str, str]]()
        for found, count in difference.items():
            by_rule[found.rule, found.severity] += count
        for (rule, severity), count in by_rule.most_common():
            print(f"  {count:5} {severity}[{rule}]")
        if options.details:
            for found in sorted(difference):
                print(f"  {found.file}:{found.line}: {found.severity}[{found.rule}] {messages.text[found]}")
    return 0


def install(commit: str | None, folder: Path) -> Path:
    """The package of a commit (None: of the working tree) in a folder that can be put on the import path."""
    source = folder / "source"
    source.mkdir(parents=True)
    if commit is None:
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, source / part)
    else:
        archive = subprocess.run(["git", "-C", ROOT, "archive", commit, *PARTS], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        folder / "installed",
        source,
    ]
    subprocess.run(command, check=True)
    return folder / "installed"


class Findings(Counter[Found]):
    """Findings with how often each occurs, and the message of each."""

    text: dict[Found, str]


def findings(package: Path, folder: Path, at: str) -> Findings:
    """What the package finds in each folder."""
    found = Findings()
    found.text = {}
    for repository in sorted(path for path in folder.iterdir() if path.is_dir()):
        for row in check(package, repository, at):
            place = row.get("location") or {}
            key = Found(row["rule"], row["severity"], f"{repository.name}/{place.get('file')}", place.get("line") or 0)
            found[key] += 1
            found.text[key] = row["message"]
    return found


def check(package: Path, folder: Path, at: str) -> Iterator[dict[str, Any]]:
    command = [
        sys.executable,
        "-m",
        "nginxtls",
        "check",
        ".",
        "--no-config",
        "--exit-zero",
        "--at",
        at,
        "--format",
        "json",
    ]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(package)}, capture_output=True, text=True, check=False
    )
    try:
        yield from json.loads(done.stdout)["findings"]
    except (ValueError, KeyError):
        print(f"{folder.name}: no report (exit code {done.returncode}): {done.stderr[-300:]}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
