"""The cases of x509-limbo, asked of `openssl verify`: where we differ from the suite, OpenSSL differs as well."""

from __future__ import annotations

import importlib.util
import subprocess
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PKI = Path(__file__).parents[1] / "pki"


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nginxtls_limbo", PKI / "test_limbo.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LIMBO = _module()
NAMES = {"DNS": "-verify_hostname", "IP": "-verify_ip", "RFC822": "-verify_email"}


def openssl(binary: Any, case: dict[str, Any], folder: Path) -> str:
    (folder / "leaf.pem").write_text(case["peer_certificate"])
    (folder / "sent.pem").write_text("\n".join(case["untrusted_intermediates"]))
    (folder / "roots.pem").write_text("\n".join(case["trusted_certs"]))
    at = datetime.fromisoformat(case["validation_time"] or LIMBO.TODAY)
    command = [binary, "verify", "-no-CApath", "-no-CAstore", "-purpose", "sslserver", "-auth_level", "2"]
    command += ["-partial_chain", "-attime", f"{at.timestamp():.0f}", "-CAfile", "roots.pem"]
    if case["untrusted_intermediates"]:
        command += ["-untrusted", "sent.pem"]
    if peer := case["expected_peer_name"]:
        command += [NAMES[peer["kind"]], peer["value"]]
    done = subprocess.run([*command, "leaf.pem"], cwd=folder, capture_output=True, check=False, timeout=60)
    return "untrusted" if done.returncode else "trusted"


def exceptions() -> dict[str, str]:
    rows = [line.split("\t") for line in (LIMBO.DATA / "openssl.tsv").read_text().splitlines() if line[0] != "#"]
    return {case: verdict for case, verdict, _ in rows}


@pytest.mark.parametrize("name", ["bookworm", "sid"])
def test_the_verdict_is_that_of_openssl(name: str, generations: list[dict[str, Any]], tmp_path: Path) -> None:
    binary = next(each["openssl"] for each in generations if each["name"] == name)
    found = {
        case["id"]: (LIMBO.verdict(case, for_openssl=True), openssl(binary, case, tmp_path)) for case in LIMBO.CASES
    }
    different = {case: theirs for case, (ours, theirs) in found.items() if ours != theirs}
    assert different == exceptions()
    # A reason for a difference from the suite is one that OpenSSL shares.
    assert not different.keys() & LIMBO.differences().keys()
