"""CONTRIBUTING's first rule: its steps, followed literally in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = (
    "nginxtls",
    "rules",
    "tests/rules",
    "tests/fix",
    "tests/test_equivalence.py",
    "tests/test_docs.py",
    "tests/test_needs.py",
    "fixtures",
    "docs",
    "pyproject.toml",
    "README.md",
)
CODE = re.compile(r"Append to `([^`]+)`:\n\n````python\n(.*?)^````$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"Save as\s+`([^`]+)`:\n\n```nginx\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEPS = re.compile(r"(?<=## Your first rule in 15 minutes\n).*", re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project in which it runs from where it stands."""
    for name in PROJECT:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    shutil.copy(ROOT / "CONTRIBUTING.md", tmp_path)
    (tmp_path / "nginxtls" / "rules").symlink_to("../rules")
    return tmp_path


def test_the_first_rule_in_15_minutes(checkout: Path) -> None:
    text = STEPS.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))[0]
    ((module, code),) = CODE.findall(text)
    with (checkout / module).open("a", encoding="utf-8") as stream:
        stream.write("\n\n" + code)
    fixtures = FILE.findall(text)
    assert len(fixtures) == 2
    for name, content in fixtures:
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).write_text(content, encoding="utf-8")
    commands = re.findall(r"^\.venv/bin/(.*)$", text, re.MULTILINE)
    outputs = [run(command, checkout) for command in commands]
    assert "passed" in outputs[0]
    assert "no tests ran" not in outputs[0]
    (shown,) = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert outputs[1].startswith(shown)
    assert (checkout / "docs" / "rules" / "tiny-tls-records.md").exists()


def run(command: str, folder: Path) -> str:
    """A command of .venv/bin, with the copy of the project first on the path."""
    program, *arguments = command.split()
    start = {"python": [], "pytest": ["-m", "pytest"], "nginxtls": ["-m", "nginxtls"]}[program]
    done = subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "100", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
