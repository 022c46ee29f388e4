"""The page of each rule: what clients experience, since when, how to fix and to check by hand, related rules."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from nginxtls.base.data import read_data
from nginxtls.linting.pages import added, by_hand, page, related_rules
from nginxtls.linting.registry import installed_rules
from nginxtls.live.differences import rules as live_rules
from nginxtls.rule import Rule

SECTIONS = (
    r"^\*\*What clients experience:\*\* \S",
    r"^\*\*Fix:\*\* \S",
    r"in nginxtls since (\d+\.\d+|the next release)",
    r"\[(safe or unsafe|safe|unsafe|no) fix\]\(\.\./fixing\.md\)",
    r"^## Check by hand\n\n```sh\n\S",
    r"^## Related rules\n\n\[",
)
WORDS = re.compile(r"(?<!\S)-(?:-[a-z0-9-]+|[a-z0-9_]+)", re.IGNORECASE)


def test_the_page_is_complete(rule: Rule) -> None:
    text = page(rule)
    assert [section for section in SECTIONS if not re.search(section, text, re.MULTILINE)] == []


@pytest.mark.parametrize("name", live_rules())
def test_what_clients_experience_of_a_running_server(name: str) -> None:
    assert live_rules()[name].experience
    assert added(live_rules()[name])


def test_what_clients_experience_is_one_paragraph(rule: Rule) -> None:
    assert rule.documentation.count("\nClients: ") == 1
    assert len(rule.experience.split()) > 1 or rule.experience == "no difference."
    assert rule.experience.endswith(".")


def test_what_keeps_nginx_from_starting_is_noticed_as_refused_connections(rule: Rule) -> None:
    if re.search(r"nginx does not start[.:]|so nginx does not start|does not start with (it|this)", rule.summary):
        assert "onnection refused" in rule.experience or "refused" in rule.experience


def suites(name: str) -> set[str]:
    """The cipher suites that a client offers, as hexadecimal numbers."""
    clients = json.loads(read_data("nginxtls.tls", "clients.json"))["clients"]
    found = [client["suites"] for client in clients if client["name"].startswith(name)]
    return set(str(found[-1]).lower().split())


RC4, DHE, TRIPLE_DES = (
    {"0004", "0005", "c007", "c011"},
    {"0033", "0039", "009e", "009f", "ccaa"},
    {"000a", "c008", "c012"},
)
RSA, CBC = {"002f", "0035", "009c", "009d"}, {"c013", "c014"}


@pytest.mark.parametrize(
    ("client", "absent", "present"),
    [
        ("Chromium 156", RC4 | DHE | TRIPLE_DES, RSA | CBC),
        ("Firefox 153", RC4 | DHE | TRIPLE_DES, RSA | CBC),
        ("Safari 26", RC4 | DHE, RSA | CBC | TRIPLE_DES),
        ("Go 1.24", RSA | RC4, set()),
        ("Python 3.13", RSA | CBC, set()),
        ("Safari 8", set(), CBC),
    ],
)
def test_what_is_said_of_the_offers_of_clients_is_in_their_records(
    client: str, absent: set[str], present: set[str]
) -> None:
    """The paragraphs of rc4-cipher, sweet32-cipher, finite-field-key-exchange, missing-forward-secrecy and others."""
    assert not suites(client) & absent
    assert present <= suites(client)


def test_related_rules_exist_and_are_related_both_ways() -> None:
    rules = installed_rules()
    for name, rule in rules.items():
        for other in related_rules(rule):
            assert other in {**rules, **live_rules()}
            assert other not in rules or name in related_rules(rules[other])


def test_commands_by_hand_are_for_rules_that_exist() -> None:
    rules = installed_rules()
    assert set(by_hand()) <= {*rules, *(rule.topic for rule in rules.values())}


@cache
def options(program: str, command: str) -> frozenset[str]:
    """The options that the help of an installed program lists."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    arguments = ["--help", "all"] if program == "curl" else [command, "-help"]
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return frozenset(WORDS.findall(done.stdout + done.stderr))


@pytest.mark.parametrize("command", sorted({each for commands in by_hand().values() for each in commands}))
def test_a_command_by_hand_has_options_that_the_program_knows(command: str, tmp_path: Path) -> None:
    assert subprocess.run(["bash", "-n", "-c", command], check=False).returncode == 0
    for part in re.split(r"(?<!\\)[|;]|\d?>/dev/null|</dev/null", command.partition("  #")[0]):
        words = shlex.split(part.strip(" ()"))
        if words[:1] in (["openssl"], ["curl"]) and words[1:] != ["version"]:
            given = {word for word in words[1:] if word.startswith("-") and not re.fullmatch(r"-[a-zA-Z]{2,}", word)}
            given |= {word for word in words[2:] if words[0] == "openssl" and word.startswith("-")}
            assert given <= options(words[0], words[1]), command
