"""Whether git has a file, also in a process that lives longer than the index stays the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

from nginxtls.syntax.checkouts import is_tracked


def test_a_file_that_is_added_while_the_process_runs(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_text("")
    assert is_tracked(str(path)) is None
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "b").write_text("")
    subprocess.run(["git", "-C", tmp_path, "add", "b"], check=True)
    assert is_tracked(str(path)) is False
    subprocess.run(["git", "-C", tmp_path, "add", "a.key"], check=True)
    assert is_tracked(str(path)) is True
