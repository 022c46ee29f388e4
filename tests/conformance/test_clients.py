"""Real clients against real nginx, and what ``nginxtls clients`` predicts of them.

A sample by default, with the clients that are installed; all clients on 300 configurations per generation:

    python tests/conformance/clients/install.py
    python tests/conformance/clients/compare.py --configurations 300
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "clients"))

import compare
from programs import Program, Running, installed
from tap import Tap

from nginxtls.tls.agreement import Hello
from tests.conformance.negotiations import make_keys

QUICK = ("OpenSSL", "Node", "Go", "GnuTLS")
CONFIGURATIONS = 7


@pytest.fixture(scope="module")
def programs(generations: list[dict[str, Any]]) -> list[Program]:
    """The clients that start fast; of Node no more than four."""
    found = [p for p in installed() if p.family in QUICK and compare.recorded(p)]
    node = [p for p in found if p.family == "Node"]
    few = [node[i * (len(node) - 1) // 3] for i in range(4)] if len(node) > 4 else node
    return [p for p in found if p.family != "Node"] + list(dict.fromkeys(few))


@pytest.fixture(scope="module")
def keys(generations: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clients")
    make_keys(generations[-1]["openssl"], folder)
    return folder


def test_real_clients_get_what_is_predicted(generation: dict[str, Any], programs: list[Program], keys: Path) -> None:
    mine = next(g for g in compare.installed() if g.name == generation["name"])
    count, told = compare.run(mine, programs, CONFIGURATIONS, first=7, folder=keys)
    assert not told, "\n\n".join(told)
    assert count == CONFIGURATIONS * len(programs)


def test_the_rows_are_what_the_clients_send(programs: list[Program]) -> None:
    for program in programs:
        row = next((c for c in compare.clients() if c.name == program.name), None)
        if row is None:
            continue
        running = Running(program)
        with Tap() as tap:
            running.get(tap.port, "a.test")
            offer = tap.connections[0].hello
        running.close()
        sent = Hello(row.hello.protocols, *_numbers(offer), tuple(offer["alpn"]))
        assert sent == row.hello, program.name
        assert not offer["protocols"] or tuple(offer["protocols"]) == row.hello.protocols


def _numbers(offer: dict[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
    found = []
    for field in ("suites", "groups", "shares", "signatures", "certificate_signatures"):
        value = offer[field]
        found.append(None if value is None else tuple(value))
    suites, groups, shares, signatures, of_certificates = found
    return suites, groups, shares, signatures, of_certificates
