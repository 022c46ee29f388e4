"""Rules of other packages: installed beside us they run, broken ones are told; the scanned tree brings none."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from nginxtls.base.errors import UsageError
from nginxtls.linting.registry import rules_of

PLUGIN = '''\
"""Our rules."""

from nginxtls.rule import Rule, Severity


class ForeignCertificate(Rule):
    """A certificate is not in the folder that our tools renew."""

    severity = Severity.ERROR
    directives = ("ssl_certificate",)

    def check_directive(self, directive, configuration):
        yield self.at(directive, f"{directive.args[0]} is not renewed by our tools", arg=0)
'''
PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "stranger"
version = "1.0"

[project.entry-points."nginxtls.rules"]
stranger = "stranger_rules"

[tool.setuptools]
py-modules = ["stranger_rules"]
"""
SITE = "server {\n    listen 443 ssl;\n    ssl_certificate site.pem;\n    ssl_certificate_key site.key;\n}\n"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a stranger's package is installed."""
    source = tmp_path_factory.mktemp("stranger")
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "stranger_rules.py").write_text(PLUGIN)
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True)
    return target


def run(*args: str, cwd: Path, path: Path | None = None, module: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the command, or ``python -m nginxtls``, with another folder of installed packages."""
    start = [sys.executable, "-m", "nginxtls"] if module else [str(Path(sys.executable).with_name("nginxtls"))]
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run([*start, *args], capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def test_an_installed_package_brings_its_rules(plugin: Path, tmp_path: Path) -> None:
    (tmp_path / "site.conf").write_text(SITE)
    assert "foreign-certificate" in run("rules", cwd=tmp_path, path=plugin).stdout
    done = run("check", "site.conf", "--format", "concise", "--select", "stranger_rules", cwd=tmp_path, path=plugin)
    assert "site.conf:3:21: error[foreign-certificate] site.pem is not renewed by our tools" in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("import nowhere_to_be_found", "nowhere_to_be_found"),
        ("raise SystemExit(0)", "SystemExit"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_a_broken_package_is_told_and_the_run_ends_with_2(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "broken_rules.py").write_text(text)
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nginxtls.rules]\nbroken = broken_rules\n")
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "site.conf").write_text(SITE)
    done = run("check", "site.conf", cwd=folder, path=tmp_path)
    assert done.returncode == 2
    assert 'error: rules "broken" of broken' in done.stderr
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_two_rules_of_one_name_are_told() -> None:
    points = [EntryPoint("a", "nginxtls.rules.suppression", "nginxtls.rules")]
    assert set(rules_of(points)) == set(rules_of(points * 2)) == {"unknown-suppression", "unused-suppression"}
    with pytest.raises(UsageError, match="must name a module"):
        rules_of([EntryPoint("a", "nginxtls.rule:Rule", "nginxtls.rules")])


@pytest.mark.parametrize("module", [False, True], ids=["command", "python -m"])
def test_nothing_of_the_scanned_tree_is_loaded(tmp_path: Path, module: bool) -> None:
    trap = "import pathlib; pathlib.Path('sprung').touch()\n"
    for name in ("typer", "yaml", "crossplane", "cryptography", "trap_rules", "sitecustomize", "conftest"):
        (tmp_path / f"{name}.py").write_text(trap)
    info = tmp_path / "trap-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: trap\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nginxtls.rules]\ntrap = trap_rules\n")
    (tmp_path / ".nginxtls.yaml").write_text("select: [unknown-suppression]\n")
    (tmp_path / "site.conf").write_text(SITE)
    done = run("check", ".", cwd=tmp_path, module=module)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "sprung").exists()
