"""No false difference: random configurations, freshly started, compared with their own files.

    NGINXTLS_VERIFY_SEEDS=0-999 pytest tests/conformance/test_verify_random.py -s

Seeds and kinds are those of ``random_runs.py``. Configurations that nginx refuses are drawn, but not counted. The last
lines have the numbers.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from nginxtls.api import read
from nginxtls.linting.settings import Settings
from nginxtls.live.connections import Limits
from nginxtls.live.targets import configured
from nginxtls.live.verify import Choice, verify
from nginxtls.model import refusals

sys.path.insert(0, str(Path(__file__).parent))

import random_runs
from generations import installed
from lab import Bench, make_certificates
from servers import wait_for

KINDS = ("servers", "mail", "quic")
SEEDS = os.environ.get("NGINXTLS_VERIFY_SEEDS", "")
FEW = {"servers": (*range(55, 62), 40025, 40059, 41170), "mail": (0, 1), "quic": (0, 1)}
"""Some seeds, among them those that once showed a false difference."""
NAMES = ("r12.test", "u.re.org", "sub.b.test", "nothing.example")
"""Names for regular expressions and for nobody."""


@pytest.fixture(scope="module")
def certificates() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="nginxtls-verify-"))
    make_certificates(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_no_false_difference(kind: str, generation: dict[str, Any], certificates: Path, tmp_path: Path) -> None:
    mine = next(each for each in installed() if each.name == generation["name"])
    bench = Bench(mine, tmp_path / "run")
    settings = Settings(nginx_version=mine.nginx_version, openssl_version=mine.openssl_version)
    first, _, last = SEEDS.partition("-")
    started = names = connections = 0
    told: list[str] = []
    for seed in range(int(first), int(last or first) + 1) if SEEDS else FEW[kind]:
        case = import_module(random_runs.KINDS[kind]).draw(seed, bench, certificates)
        main = bench.write(case.files)
        reading = read([str(main)], settings, root="/")
        configuration = reading.subjects[0].configuration
        targets = list(configured(configuration, []))
        streams = [target for target in targets if not target.socket.datagram]
        if not streams or any(refusal.level == "emerg" for refusal in refusals(configuration)):
            continue
        with bench.running(main, streams[0].port):
            started += 1
            for target in streams:  # nginx opens them one after the other
                wait_for(target.port, host=target.host)
            for some in ((), NAMES)[: 1 + (kind == "servers" and seed % 3 == 0)]:
                found = verify(reading, Choice(names=some, limits=Limits(rate=10_000)))
                assert not found.report.failures
                names += len(found.endpoints)
                connections += int(re.sub(r"\D", "", found.report.hints[-1].rpartition(" with ")[2]))
                for finding in found.report.findings:
                    told.append(f"{mine.name}, seed {seed}: {finding.rule}: {finding.message} {finding.endpoints}")
                    print(told[-1], flush=True)
    differences = f"{len(told)} differences"
    print(f"\n{mine.name}, {kind}: {started} started, {names} names, {connections} connections, {differences}")
    assert not told, "\n".join(told)
