"""The GitHub action's steps run as shell; the examples of the documentation match what is written."""

from __future__ import annotations

import json
import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from nginxtls.linting.report import Report
from nginxtls.report import BUILT_IN, Options, renderer

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
BAD = "server {\n    listen 443 ssl;\n    server_name a.example.com;\n    ssl_protocols SSLv3 TLSv1.2 TLSv1.3;\n}\n"
GOOD = BAD.replace("SSLv3 ", "")
ONLY = "--select=obsolete-ssl"


class Runner:
    """Runs the shell steps of the action as GitHub's runner does; other actions are left out."""

    def __init__(self, folder: Path, action: Path, temporary: Path) -> None:
        self.folder, self.action, self.temporary = folder, action, temporary
        self.outputs: dict[str, str] = {}

    def run(self, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        step = next(step for step in ACTION["runs"]["steps"] if step["name"] == name)
        values = {key: str(entry["default"]) for key, entry in ACTION["inputs"].items()} | inputs
        names = {f"inputs.{key}": value for key, value in values.items()}
        names |= {f"steps.lint.outputs.{key}": value for key, value in self.outputs.items()}
        given = {key: re.sub(r"\$\{\{ (.*?) \}\}", lambda m: names[m[1]], v) for key, v in step["env"].items()}
        assert "${{" not in step["run"]  # what stands in an input would run
        output, summary = self.temporary / "output", self.temporary / "summary"
        for file in (output, summary):
            file.write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env=os.environ
            | given
            | {
                "RUNNER_TEMP": str(self.temporary),
                "GITHUB_ACTION_PATH": str(self.action),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                # what nginxtls needs is here already
                "PIP_NO_DEPS": "1",
                "PYTHONPATH": os.pathsep.join(site.getsitepackages()),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.outputs |= dict(line.split("=", 1) for line in output.read_text().splitlines())
        return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The action's path and the runner's folder after the step that installs."""
    action, temporary = tmp_path_factory.mktemp("action"), tmp_path_factory.mktemp("runner")
    for name in ("nginxtls", "rules", "pyproject.toml", "README.md", "LICENSE"):
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, action / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, action)
    done = Runner(action, action, temporary).run("Install nginxtls", python=sys.executable)
    assert done.returncode == 0, done.stderr
    return action, temporary


@pytest.fixture
def runner(tmp_path: Path, installed: tuple[Path, Path]) -> Runner:
    (tmp_path / ".git").mkdir()
    (tmp_path / "site.conf").write_text(BAD)
    (tmp_path / "clean.conf").write_text(GOOD)
    return Runner(tmp_path, *installed)


def test_findings_are_written_told_and_fail_the_job(runner: Runner) -> None:
    done = runner.run("Lint", arguments=f"{ONLY}\n\n--nginx-version=1.26.3")
    assert done.returncode == 0, done.stderr
    assert "error[obsolete-ssl]" in done.stdout
    assert runner.outputs == {"status": "1", "sarif": "nginxtls.sarif"}
    (result,) = json.loads((runner.folder / "nginxtls.sarif").read_text())["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "site.conf"
    assert "obsolete-ssl" in (runner.temporary / "summary").read_text()
    assert runner.run("Judge").returncode == 1
    assert runner.run("Judge", fail="false").returncode == 0


def test_clean_paths_pass(runner: Runner) -> None:
    assert runner.run("Lint", arguments=ONLY, paths="clean.conf").returncode == 0
    assert runner.run("Judge").returncode == 0


def test_what_cannot_be_done_fails_even_if_findings_may_not(runner: Runner) -> None:
    assert runner.run("Lint", arguments="--no-such-option").returncode == 0
    assert runner.run("Judge", fail="false").returncode == 2


def test_no_input_is_run(runner: Runner) -> None:
    nasty = "$(touch hacked) `touch hacked` ; touch hacked"
    runner.run("Lint", arguments=f"{ONLY}\n--config={nasty}", paths=nasty, sarif=f"{nasty}.sarif")
    assert sorted(path.name for path in runner.folder.iterdir()) == [".git", "clean.conf", "site.conf"]


def test_nothing_is_uploaded_from_a_fork() -> None:
    (upload,) = [step for step in ACTION["runs"]["steps"] if "upload-sarif" in step.get("uses", "")]
    assert "github.event.pull_request.head.repo.fork != true" in upload["if"]


def test_the_documentation_names_every_input_and_format() -> None:
    assert re.findall(r"^\| `([a-z]+)` \| ", PAGE, re.MULTILINE) == list(ACTION["inputs"])
    formats = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z]+)` \| ", formats, re.MULTILINE)[: len(BUILT_IN)] == list(BUILT_IN)


def test_the_problem_matcher_reads_what_concise_writes(ordinary: Report) -> None:
    block = next(text for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) if "problemMatcher" in text)
    pattern: dict[str, Any] = json.loads(block)["tasks"][0]["problemMatcher"]["pattern"]
    lines = renderer("concise")(ordinary, Options()).splitlines()
    for line, finding in zip(lines, ordinary.findings, strict=False):
        match = re.fullmatch(pattern["regexp"], line)
        assert match
        assert match[pattern["file"]] == finding.location.name
        assert match[pattern["severity"]] == str(finding.severity)
        assert match[pattern["code"]] == finding.rule
        assert match[pattern["message"]] == finding.message
    assert not any(re.fullmatch(pattern["regexp"], line) for line in lines[len(ordinary.findings) :])


def test_examples_of_build_servers_are_yaml() -> None:
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        assert yaml.safe_load(block)
