"""Real editors with what the documentation says: a recorded session of Neovim, Emacs, the package for VS Code.

``python -m tests.lsp.test_editors`` records Neovim's session anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RECORD = HERE / "neovim.jsonl"
PAGE = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")
EXTENSION = ROOT / "editors" / "vscode"
TIME_LEFT = re.compile(r"\d+ days left")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def environment(**variables: str) -> dict[str, str]:
    """The installed ``nginxtls`` first on PATH, and a home of its own."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "LC_ALL": "C.UTF-8"} | variables


def play(folder: Path) -> list[str]:
    """The session in Neovim, a step a line, without what depends on the day and the folder."""
    shutil.copytree(ROOT / "fixtures" / "showcase", folder / "showcase")
    for key in (folder / "showcase").rglob("*.key"):
        key.chmod(0o600)
    (folder / "showcase" / ".git").mkdir()
    old = [block for block in blocks("lua") if "start_client" in block]
    (folder / "init.lua").write_text("\n".join(old))
    record = folder / "record"
    done = subprocess.run(
        ["nvim", "--headless", "-u", folder / "init.lua", "-i", "NONE", "-n", "-S", HERE / "neovim.lua"],
        cwd=folder / "showcase",
        env=environment(
            SHOWCASE=str(folder / "showcase"), RECORD=str(record), HOME=str(folder), XDG_STATE_HOME=str(folder)
        ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert record.exists(), done.stderr
    text = TIME_LEFT.sub("… days left", record.read_text(encoding="utf-8"))
    return text.replace(str(folder.resolve()), "").replace(str(folder), "").splitlines()


@pytest.mark.skipif(shutil.which("nvim") is None, reason="Neovim is not installed")
def test_a_session_in_neovim(tmp_path: Path) -> None:
    recorded = [json.loads(line) for line in RECORD.read_text(encoding="utf-8").splitlines()]
    assert [json.loads(line) for line in play(tmp_path)] == recorded


@pytest.mark.skipif(shutil.which("nvim") is None, reason="Neovim is not installed")
@pytest.mark.parametrize("block", blocks("lua"))
def test_the_lua_of_the_documentation_compiles(block: str, tmp_path: Path) -> None:
    (tmp_path / "block.lua").write_text(block)
    command = f"lua assert(loadfile('{tmp_path}/block.lua'))"
    done = subprocess.run(
        ["nvim", "--headless", "-u", "NONE", "-c", command, "-c", "qall!"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr


def test_the_toml_of_the_documentation() -> None:
    if sys.version_info < (3, 11):
        import tomli as tomllib
    else:
        import tomllib
    (block,) = blocks("toml")
    table = tomllib.loads(block)
    assert table["language"][0]["language-servers"] == [*table["language-server"]]


def test_the_json_of_the_documentation_names_options_that_exist() -> None:
    manifest = json.loads((EXTENSION / "package.json").read_text())
    known = manifest["contributes"]["configuration"]["properties"]
    options, settings = map(json.loads, blocks("json"))
    assert {f"nginxtls.{name}" for name in options} <= known.keys()
    assert {name for name in settings if name.startswith("nginxtls.")} <= known.keys()


def has_eglot() -> bool:
    command = ["emacs", "--batch", "--eval", "(progn (package-initialize) (require 'eglot) (require 'nginx-mode))"]
    return (
        shutil.which("emacs") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not has_eglot(), reason="Emacs with eglot and nginx-mode is not installed")
def test_a_session_in_emacs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "fixtures" / "showcase", tmp_path / "showcase")
    subprocess.run(["git", "init", "-q", tmp_path / "showcase"], check=True)
    (block,) = blocks("elisp")
    script = tmp_path / "session.el"
    script.write_text(
        f"""(package-initialize) (require 'eglot) (require 'nginx-mode)
{block}
(setq eglot-sync-connect 60)
(find-file "{tmp_path}/showcase/sites-enabled/shop.conf")
(nginx-mode)
(unless (eglot-current-server) (apply #'eglot--connect (eglot--guess-contact)))
(let ((tries 600))
  (while (and (> tries 0) (null (flymake-diagnostics)))
    (flymake-start) (accept-process-output nil 0.1) (setq tries (1- tries))))
(dolist (found (flymake-diagnostics))
  (princ (format "%s %s\\n" (line-number-at-pos (flymake-diagnostic-beg found)) (flymake-diagnostic-text found))))
""",
        encoding="utf-8",
    )
    done = subprocess.run(
        ["emacs", "--batch", "-l", script],
        env=environment(HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert re.search(r'^6 .*the certificate of "Example Intermediate R3"', done.stdout, re.MULTILINE), done


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
@pytest.mark.skipif("NGINXTLS_VSCODE" not in os.environ, reason="takes long; set NGINXTLS_VSCODE to package it")
def test_the_extension_for_vs_code_is_compiled_and_packaged(tmp_path: Path) -> None:
    folder = tmp_path / "vscode"
    shutil.copytree(EXTENSION, folder, ignore=shutil.ignore_patterns("node_modules", "out", "*.vsix"))
    installed = subprocess.run(
        ["npm", "ci", "--silent", "--no-fund", "--no-audit"], cwd=folder, capture_output=True, text=True, check=False
    )
    if installed.returncode:
        pytest.skip("npm cannot fetch the packages")
    done = subprocess.run(["npm", "run", "package"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(folder / "nginxtls.vsix") as package:
        package.extractall(tmp_path / "unpacked")
        names = package.namelist()
        manifest = json.loads(package.read("extension/package.json"))
        assert f"extension/{manifest['main'].removeprefix('./')}" in names
    # It contains what it needs to start: nothing but VS Code's own module is missing.
    code = "const m = require('module'); const l = m._load; m._load = (n, ...r) => n === 'vscode' ? {} : l(n, ...r);"
    script = f"{code} const e = require('./out/extension.js'); if (!e.activate || !e.deactivate) process.exit(1)"
    done = subprocess.run(
        ["node", "-e", script], cwd=tmp_path / "unpacked" / "extension", capture_output=True, text=True, check=False
    )
    assert "Cannot find module" not in done.stderr, done.stderr


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        RECORD.write_text("".join(f"{line}\n" for line in play(Path(scratch).resolve())), encoding="utf-8")
