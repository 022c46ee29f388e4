"""``nginxtls policies``, and several policies at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

NGINXTLS = Path(sys.executable).with_name("nginxtls")


def run(*arguments: str) -> str:
    return subprocess.run([NGINXTLS, *arguments], capture_output=True, text=True, check=False).stdout


def test_the_list_has_source_edition_date_and_basis() -> None:
    listed = {entry["name"]: entry for entry in json.loads(run("policies", "--format", "json"))}
    assert listed["tlsref-modern"]["aliases"] == ["mozilla-modern"]
    for entry in listed.values():
        assert entry["source"].startswith("https://")
        assert entry["version"]
        assert entry["date"]
        assert set(entry["basis"]) <= {"text", "second-hand", "memory", "interpretation"}
    text = run("policies")
    assert all(name in text for name in listed)


def test_several_policies_are_judged_in_one_run(tmp_path: Path) -> None:
    main = tmp_path / "nginx.conf"
    main.write_text("events {}\nhttp { server { listen 443 ssl; ssl_protocols TLSv1.2 TLSv1.3; } }\n")
    expected = {"mozilla-modern", "cnsa-2.0"}
    for options in (["--policy", "mozilla-modern", "--policy", "cnsa-2.0"], ["--policy", "mozilla-modern,cnsa-2.0"]):
        report = json.loads(run("check", str(main), "--format", "json", "--select", "policy-protocols", *options))
        assert {finding["message"].partition(":")[0] for finding in report["findings"]} == expected
    (tmp_path / ".nginxtls.yaml").write_text("policy: [mozilla-modern, cnsa-2.0]\n")
    report = json.loads(run("check", str(main), "--format", "json", "--select", "policy-protocols"))
    assert {finding["message"].partition(":")[0] for finding in report["findings"]} == expected
