"""SARIF by Microsoft's own validator, its rules for GitHub among them.

The program is sarif-multitool of the npm package @microsoft/sarif-multitool; NGINXTLS_SARIF_MULTITOOL names it where it
is not on PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("nginxtls")
ROOT = Path(__file__).parents[2]
ALLOWED = {"SARIF2005"}  # informationUri: the project has no address of its own yet


@pytest.mark.parametrize("rules", ["Sarif", "Ghas"])
def test_the_validator_has_nothing_to_say(rules: str, tmp_path: Path) -> None:
    program = os.environ.get("NGINXTLS_SARIF_MULTITOOL") or shutil.which("sarif-multitool")
    if program is None:
        pytest.skip("no sarif-multitool: npm install -g @microsoft/sarif-multitool")
    command: list[str | Path] = [COMMAND, "check", "fixtures/showcase", "--pedantic", "--exit-zero", "--quiet"]
    subprocess.run([*command, "--output", f"sarif:{tmp_path}/log.sarif"], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(
        [program, "validate", tmp_path / "log.sarif", "--rule-kind", rules, "--output", tmp_path / "told.sarif"],
        check=True,
        capture_output=True,
        env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
    )
    reported = json.loads((tmp_path / "told.sarif").read_text("utf-8-sig"))
    results = [result for run in reported["runs"] for result in run.get("results", []) if result.get("level") != "none"]
    assert [r["ruleId"] for r in results if r["ruleId"].split("/")[0] not in ALLOWED] == []
