"""The tree that the benchmarks are measured on is one that nginx takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

SITES = Path(__file__).parents[2] / "benchmarks/sites.py"


def test_nginx_accepts_the_tree(generations: list[dict[str, Any]], tmp_path: Path) -> None:
    tree, prefix = tmp_path / "nginx", tmp_path / "prefix"
    prefix.mkdir()
    subprocess.run([sys.executable, SITES, tree, "--sites", "20", "--certificates", "3"], check=True)
    newest = max(generations, key=lambda generation: tuple(map(int, generation["nginx_version"].split("."))))
    command = [newest["nginx"], "-t", "-e", "error.log", "-p", prefix, "-c", tree / "nginx.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr
    assert {path.name for path in tree.iterdir()} == {"nginx.conf", "snippets", "sites-enabled", "certificates"}
