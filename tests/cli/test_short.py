"""Command lines that are read without typer mean what they mean to typer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from nginxtls.cli import checking
from nginxtls.cli.application import app
from nginxtls.cli.checking import Request
from nginxtls.cli.short import requested

COMMAND = get_command(app).get_command(None, "check")  # type: ignore[attr-defined]
FLAGS = [word for each in COMMAND.params if getattr(each, "is_flag", False) for word in each.opts if len(word) > 2]


def by_typer(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Request:
    """The request that typer passes on."""
    taken: list[Request] = []
    with monkeypatch.context() as patch:
        patch.setattr(checking, "check", taken.append)
        COMMAND.main(words, standalone_mode=False)
    return taken[0]


def without_typer(words: list[str]) -> Request | None:
    return requested(["check", *words])


def test_an_empty_command_line_has_the_same_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert without_typer([]) == by_typer([], monkeypatch) == Request()


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_means_the_same(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request = without_typer(["a.conf", flag, "b.conf"])
    assert request == by_typer(["a.conf", flag, "b.conf"], monkeypatch)
    assert request != Request(["a.conf", "b.conf"])


WORDS = st.sampled_from([*FLAGS, "-", "a.conf", "a b", "", "check", "no-config", "ü", "*", "@file", "~"])


@given(st.lists(WORDS, max_size=8))
def test_paths_and_flags_in_any_order_mean_the_same(words: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        assert without_typer(words) == by_typer(words, patch)


@pytest.mark.parametrize(
    "words", ["--format json", "-q", "-", "--help", "--", "--no-conf", "--no-config=1", "--unknown", "-qv", "—"]
)
def test_other_words_are_left_to_typer(words: str) -> None:
    assert (without_typer([*words.split(), "a.conf"]) is None) == (words not in ("-", "—"))


@pytest.mark.parametrize("words", [["--version"], ["rules", "a.conf"], [], ["--no-config", "check"]])
def test_other_commands_are_left_to_typer(words: list[str]) -> None:
    assert requested(words) is None


def test_all_options_have_a_field_of_the_same_default() -> None:
    defaults: dict[str, Any] = dict.fromkeys(Request._fields) | Request._field_defaults
    declared = {each.name: each.default for each in COMMAND.params if each.name != "help"}
    assert {name: getattr(value, "value", value) for name, value in declared.items()} == defaults


def test_a_completion_is_not_a_check(tmp_path: Path) -> None:
    environment = {"_NGINXTLS_COMPLETE": "complete_bash", "COMP_WORDS": "nginxtls check --only-", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-m", "nginxtls", "check", "--no-config"],
        env=os.environ | environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "--only-nginx"
