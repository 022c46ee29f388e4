"""No false difference: random configurations, freshly started, compared with their own files.

    NGINXTLS_VERIFY_SEEDS=0-999 pytest tests/conformance/test_verify_random.py -s

Seeds are those of ``handshakes.py``. Most refused configurations do not count; the last line has the numbers.
"""

from __future__ import annotations

import os
import sys
import tempfile
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

import handshakes as random_configurations
from generations import installed
from lab import Bench, make_certificates
from servers import wait_for

SEEDS = os.environ.get("NGINXTLS_VERIFY_SEEDS", "0-9")
NAMES = ("r12.test", "u.re.org", "sub.b.test", "nothing.example")
"""Names for regular expressions and for nobody."""


@pytest.fixture(scope="module")
def certificates() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="nginxtls-verify-"))
    make_certificates(folder)
    return folder


def test_no_false_difference(generation: dict[str, Any], certificates: Path, tmp_path: Path) -> None:
    mine = next(each for each in installed() if each.name == generation["name"])
    bench = Bench(mine, tmp_path / "run")
    settings = Settings(nginx_version=mine.nginx_version, openssl_version=mine.openssl_version)
    first, _, last = SEEDS.partition("-")
    started = names = connections = 0
    told: list[str] = []
    for seed in range(int(first), int(last or first) + 1):
        case = random_configurations.draw(seed, bench, certificates)
        main = bench.write(case.files)
        reading = read([str(main)], settings, root="/")
        configuration = reading.subjects[0].configuration
        if any(refusal.level == "emerg" for refusal in refusals(configuration)):
            continue
        if not any(socket.speaks_tls for socket in configuration.sockets):
            continue
        with bench.running(main, case.ports[0]):
            started += 1
            for target in configured(configuration, []):  # nginx opens them one after the other
                wait_for(target.port, host=target.host)
            for some in ((), NAMES)[: 1 + (seed % 3 == 0)]:
                found = verify(reading, Choice(names=some, limits=Limits(rate=10_000)))
                assert not found.report.failures
                names += len(found.endpoints)
                connections += int(found.report.hints[-1].split()[-2].replace(",", ""))
                for finding in found.report.findings:
                    told.append(f"{mine.name}, seed {seed}: {finding.rule}: {finding.message} {finding.endpoints}")
                    print(told[-1], flush=True)
    print(f"\n{mine.name}: {started} configurations, {names} names, {connections} connections, {len(told)} differences")
    assert not told, "\n".join(told)
    assert started
