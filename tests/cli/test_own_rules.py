"""The commands for authors of rules: ``new-rule`` writes what ``test-rules`` passes, and a fault in it is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    command = [str(Path(sys.executable).with_name("nginxtls")), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two new rules, installed into its folder ``site``."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("tiny-tls-records", "other-fault"):
        done = run("new-rule", name, cwd=folder)
        assert (done.returncode, done.stderr) == (0, "")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder / "site"), "."]
    subprocess.run(pip, check=True, cwd=folder)
    return folder


def test_a_new_rule_passes_its_own_test(project: Path) -> None:
    for name in ("our_rules", "our-rules"):
        done = run("test-rules", name, cwd=project, path=project / "site")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("2 rules, 8 cases, 0 failed\n")
    page = (project / "docs" / "tiny-tls-records.md").read_text()
    assert page.startswith("# tiny-tls-records\n\n`ssl_buffer_size` does not")
    checked = run(
        "check",
        "fixtures/tiny-tls-records/bad.conf",
        "--select",
        "tiny-tls-records",
        cwd=project,
        path=project / "site",
    )
    assert "warning[tiny-tls-records]: `ssl_buffer_size` is 16k, not 4k" in checked.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("site/our_rules/tiny_tls_records.py", "ssl_buffer_size 16k;", "ssl_buffer_size 4k;", "nothing is reported"),
        ("site/our_rules/tiny_tls_records.py", "nginx good", "nginx", "good example: there is none"),
        ("fixtures/tiny-tls-records/good.conf", "4k", "8k", "expected nothing, reported line 8"),
        (
            "fixtures/tiny-tls-records/bad.conf",
            "records\n",
            "records@3\n",
            "expected line 8 column 3, reported line 8 column 25",
        ),
        ("fixtures/tiny-tls-records/bad.conf", "# expect", "# suspect", "it expects nothing"),
    ],
)
def test_a_fault_is_found(project: Path, file: str, old: str, new: str, fault: str) -> None:
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    try:
        done = run("test-rules", "our_rules", cwd=project, path=project / "site")
    finally:
        (project / file).write_text(text)
    assert done.returncode == 1
    assert "FAILED  tiny-tls-records: " in done.stdout
    assert fault in done.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("new-rule", "Records"), "is not a name for a rule"),
        (("new-rule", "missing-hsts"), "is the name of an installed rule"),
        (("new-rule", "a-b", "--package", "a-b"), "is not the name of a Python package"),
        (("new-rule", "a-b", "--directory", "nowhere"), "there is no such folder"),
        (("new-rule", "tiny-tls-records"), "exists already"),
        (("test-rules", "nothing"), "is not an installed package with rules"),
        (("test-rules", "our_rules", "--fixtures", "nowhere"), "there is no such folder"),
    ],
)
def test_wrong_use_is_one_message(project: Path, arguments: tuple[str, ...], reason: str) -> None:
    done = run(*arguments, cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr


def test_a_package_without_a_rule_is_an_error(project: Path) -> None:
    module = project / "site" / "our_rules" / "__init__.py"
    text = module.read_text()
    module.write_text("")
    try:
        done = run("test-rules", "our_rules", cwd=project, path=project / "site")
    finally:
        module.write_text(text)
    assert done.returncode == 2
    assert 'error: "our_rules": has no rule' in done.stderr
