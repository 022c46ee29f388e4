"""The rooms: who may import whom (see [tool.importlinter] in pyproject.toml), and what start-up may cost."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
RULES = sorted((ROOT / "rules").rglob("*.py"))
WORDS_OF_PATHS = ("basename", "dirname", "join", "normpath", "relpath")
BELOW_RULES = tuple(f"nginxtls.{room}" for room in "rule finding model syntax tls pki base".split())


def test_arrows_point_downward(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules_import_only_what_is_below_them(path: Path) -> None:
    for module in imported(path):
        if module.startswith("nginxtls"):
            assert module.startswith((*BELOW_RULES, "nginxtls.rules")), module


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules_open_no_file_and_start_nothing(path: Path) -> None:
    """What a rule may know of files it asks the model, which has one door to the disk."""
    assert not imported(path) & {"io", "pathlib", "subprocess", "socket", "shutil", "importlib", "tempfile"}
    used = {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    of_os = {name for name in used if name.startswith("os.")}
    assert of_os <= {"os.path", "os.sep", "os.stat_result", *(f"os.path.{name}" for name in WORDS_OF_PATHS)}
    assert not any(
        isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "exec", "eval", "__import__"}
        for node in ast.walk(ast.parse(path.read_text()))
    )


def test_nobody_imports_rules_but_their_entry_points() -> None:
    for path in (ROOT / "nginxtls").rglob("*.py"):
        assert not any(module.startswith("nginxtls.rules") for module in imported(path)), path


FRAGMENT = "ssl_protocols TLSv1.2 TLSv1.3;\nssl_ciphers ECDHE+AESGCM;\nssl_session_cache shared:TLS:10m;\n"
UNWANTED = """
cryptography rich yaml jinja2 pathspec pygments typer importlib.metadata
inspect dataclasses ast difflib tempfile random shutil subprocess platform socket hashlib textwrap
nginxtls.pki.certificate nginxtls.model.backends nginxtls.model.handshakes nginxtls.rules.chain nginxtls.rules.upstream
"""
"""What the check of one fragment does not import. Each of the second line takes 0.5 to 8 ms of 100."""


@pytest.mark.parametrize(
    ("command", "unwanted"),
    [
        (["--version"], "cryptography rich yaml nginxtls.model nginxtls.syntax"),
        (["rules"], "cryptography rich yaml"),
        (["check", "-", "--no-config"], UNWANTED),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_imports_only_what_it_needs(command: list[str], unwanted: str, tmp_path: Path) -> None:
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        f"sys.argv[1:] = {command!r}\n"
        "from nginxtls.cli import run\n"
        "run()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=FRAGMENT, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    modules = set(done.stderr.splitlines()[-1].split())
    assert "nginxtls.cli" in modules
    assert sorted(modules & set(unwanted.split())) == []


def imported(path: Path) -> set[str]:
    """The modules that a file imports, for type checking or not."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names if node.module == "nginxtls")
    return found
