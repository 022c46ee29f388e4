"""What packages need besides the code: manual pages for every command, extras and files of data."""

from __future__ import annotations

import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from nginxtls.cli.application import COMMANDS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, ROOT / "tools/man_pages.py", folder], check=True)
    return folder


def test_every_command_has_a_manual_page(pages: Path) -> None:
    assert {f"nginxtls-{name}.1" for name in COMMANDS} < {file.name for file in pages.iterdir()}
    text = (pages / "nginxtls-check.1").read_text()
    assert "\\-\\-nginx\\-version VERSION" in text
    assert "FORMAT" in text


def test_groff_reads_the_pages_without_a_warning(pages: Path) -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("no groff")
    for file in pages.iterdir():
        done = subprocess.run([groff, "-man", "-ww", "-z", file], capture_output=True, text=True, check=True)
        assert done.stderr == ""


def test_every_file_of_data_is_packaged() -> None:
    """Each data file in a package folder is named by the pattern of its package in pyproject.toml."""
    toml = pytest.importorskip("tomllib", reason="tomllib is new in Python 3.11")
    tool = toml.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    places = {name: name.replace(".", "/") for name in tool["packages"]}
    for name in places:
        if name.startswith("nginxtls.rules"):
            places[name] = name.removeprefix("nginxtls.").replace(".", "/")
    lost = [
        str(file.relative_to(ROOT))
        for name, folder in places.items()
        for file in (ROOT / folder).iterdir()
        if file.is_file() and file.suffix not in (".py", ".pyc")
        if not any(fnmatch(file.name, pattern) for pattern in tool["package-data"].get(name, ()))
    ]
    assert lost == []
    folders = {path.parent for top in ("nginxtls", "rules") for path in (ROOT / top).rglob("__init__.py")}
    assert folders <= {ROOT / folder for folder in places.values()}
