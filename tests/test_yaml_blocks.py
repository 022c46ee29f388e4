"""YAML and comments in the documentation are what tools accept: hooks, rules, inputs and files that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from nginxtls.linting.registry import choose, installed_rules

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```ya?ml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
IGNORE = re.compile(r"nginxtls: ignore(?:-file)?\[([^\]]+)\]")
WORDS = re.compile(r"--(?:select|ignore)[= ]([\w,*-]+)")


def blocks() -> list[Any]:
    return [
        pytest.param(block, id=f"{page.name}-{number}")
        for page in PAGES
        for number, block in enumerate(BLOCK.findall(page.read_text("utf-8")))
    ]


@pytest.mark.parametrize("block", blocks())
def test_yaml_is_read_and_names_what_exists(block: str) -> None:
    found = yaml.safe_load(block)
    for repository in found.get("repos", ()) if isinstance(found, dict) else ():
        hooks = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
        assert {hook["id"] for hook in repository["hooks"]} <= hooks
    inputs = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    for job in (found.get("jobs", {}) if isinstance(found, dict) else {}).values():
        for step in job["steps"]:
            if "nginxtls" in step.get("uses", ""):
                assert set(step.get("with", {})) <= set(inputs)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_rules_that_are_named_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for words in (*IGNORE.findall(text), *WORDS.findall(text)):
        names = [word.strip() for word in words.split(",") if word.strip() not in ("…", "RULE", "rule", "")]
        if names:
            choose(installed_rules(), names, (), pedantic=True)
