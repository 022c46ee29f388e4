"""x509-limbo, the field's own test suite: its expected result on every server case, or a reason that a table holds."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from nginxtls.pki import Certificate, TrustStore, build_path, match_hostname, read_bundle

DATA = Path(__file__).parent / "data" / "x509-limbo"
CASES: list[dict[str, Any]] = json.loads((DATA / "limbo.json").read_text())["testcases"]
# Cases without a time are judged on the day of the suite's version.
TODAY = "2026-06-29T00:00:00+00:00"


def differences() -> dict[str, tuple[str, str]]:
    rows = [line.split("\t") for line in (DATA / "differences.tsv").read_text().splitlines() if line[0] != "#"]
    return {case: (verdict, why) for case, verdict, why in rows}


def read(pems: list[str]) -> list[Certificate]:
    return [read_bundle(pem.encode(), "").certificates[0] for pem in pems]


def verdict(case: dict[str, Any], *, for_openssl: bool = False) -> str:
    """Ours, or what we say that clients with OpenSSL make of it: they follow one path alone."""
    leaf = read([case["peer_certificate"]])[0]
    trust = TrustStore("limbo", read(case["trusted_certs"]), private=True)
    at = datetime.fromisoformat(case["validation_time"] or TODAY)
    # limbo's anchors need not be self-signed.
    built = build_path(leaf, read(case["untrusted_intermediates"]), trust, at, partial_chain=True)
    peer = case["expected_peer_name"]
    if for_openssl and any(reason.kind == "dead-end-path" for reason in built.reasons):
        return "untrusted"
    return "untrusted" if peer and not match_hostname(peer["value"], leaf).matches else built.verdict


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_agrees_or_says_why_not(case: dict[str, Any]) -> None:
    expected = "trusted" if case["expected_result"] == "SUCCESS" else "untrusted"
    other, why = differences().get(case["id"], (expected, ""))
    assert verdict(case) == other
    assert bool(why) == (other != expected)


def test_the_table_names_only_cases_that_are_there() -> None:
    assert set(differences()) <= {case["id"] for case in CASES}
