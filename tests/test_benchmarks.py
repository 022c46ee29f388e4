"""The benchmarks: they run and have every row. How long anything takes is not asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
STAGES = set("import read parse tree discover model certificates chains rules report".split()) | {"load rules"}
ROWS = {
    "crossplane.parse",
    "nginxtls",
    "nginxtls, as a dump",
    "import typer, crossplane",
    "nginxtls, one fragment",
    "crossplane.parse, with findings",
    "nginxtls, with findings",
    "nginxtls, loose sites",
    "nginxtls, three staged files",
    "nginxtls.load",
    "nginxtls, all handshakes",
    *(f"stage: {stage}" for stage in STAGES),
}


def python(script: str, *arguments: str | Path) -> str:
    command = [sys.executable, BENCHMARKS / script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The figures of a first run."""
    file = tmp_path_factory.mktemp("figures") / "first.json"
    python("run.py", "--sites", "10", "--runs", "1", "--nginx", "", "--json", file)
    return file


def test_every_row_is_measured(first: Path) -> None:
    rows = json.loads(first.read_text())["sites"]["10"]
    assert set(rows) == ROWS
    assert all(row["seconds"] > 0 for row in rows.values())
    assert all(row["megabytes"] > 0 for name, row in rows.items() if not name.startswith("stage: "))


def test_a_run_is_compared_and_the_aims_are_told(first: Path) -> None:
    reported = python("run.py", "--sites", "10", "--runs", "1", "--nginx", "", "--compare", first, "--aims")
    assert "against the stored run" in reported
    assert "nginxtls, as a dump" in reported.rpartition("against the stored run")[2]
    assert reported.count("not measured") == 10


def test_a_slower_row_ends_with_status_1(first: Path) -> None:
    command: list[str | Path] = [
        sys.executable,
        BENCHMARKS / "run.py",
        "--sites",
        "10",
        "--runs",
        "1",
        "--nginx",
        "",
        "--compare",
        first,
    ]
    done = subprocess.run([*command, "--factor", "0.001"], capture_output=True, check=False)
    assert done.returncode == 1


def test_the_stages_of_a_tree(tmp_path: Path) -> None:
    python("sites.py", tmp_path / "nginx", "--sites", "10", "--certificates", "2")
    assert set(json.loads(python("stages.py", tmp_path / "nginx"))) == STAGES


def test_each_site_includes_the_snippets_and_there_are_as_many_certificates_as_asked(tmp_path: Path) -> None:
    python("sites.py", tmp_path, "--sites", "10", "--certificates", "3")
    sites = [path.read_text() for path in (tmp_path / "sites-enabled").iterdir()]
    assert len(sites) == 10
    assert all(text.count("server {") == 2 for text in sites)
    for name in ("acme", "proxy"):
        assert (tmp_path / f"snippets/{name}.conf").is_file()
        assert all(f"include snippets/{name}.conf;" in text for text in sites)
    leaves = {path.read_text() for path in (tmp_path / "certificates").glob("c*.pem")}
    assert len(leaves) == 3
