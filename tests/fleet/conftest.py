"""The fleet that the tests share: varied hosts with planted faults, and a run over it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from nginxtls.fleet.engine import Scanned, scan
from nginxtls.fleet.hosts import read_hosts
from nginxtls.fleet.sources import find_items
from nginxtls.linting.settings import Settings

GENERATOR = Path(__file__).parents[2] / "benchmarks/fleet_hosts.py"
HOSTS = 240


def generator() -> Any:
    """The generator of the benchmarks."""
    if "fleet_hosts" not in sys.modules:
        spec = importlib.util.spec_from_file_location("fleet_hosts", GENERATOR)
        assert spec
        assert spec.loader
        module = sys.modules["fleet_hosts"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["fleet_hosts"]


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Hosts with planted faults: ``root``, ``inventory``, ``trust``, ``hosts`` and ``faults``."""
    return generator().make_fleet(tmp_path_factory.mktemp("fleet"), HOSTS)


def scan_planted(planted: Any, output: Path, **options: Any) -> Scanned:
    """Scan the planted hosts for the generator's time."""
    options.setdefault("at", generator().AT)
    return scan(
        find_items(str(planted.root)),
        read_hosts(str(planted.inventory)),
        output,
        Settings(trust=("none", str(planted.trust))),
        source=str(planted.root),
        workers=2,
        **options,
    )


@pytest.fixture(scope="session")
def scanned(planted: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of one run over the planted hosts."""
    output = tmp_path_factory.mktemp("scanned")
    scan_planted(planted, output)
    return output
