"""Fixtures of rules that say what `nginx -t` makes of them, asked of the real one.

A line `# nginx -t: ok`, `warn` or `emerg` in a fixture is the claim. It is put to the generation of the fixture's
--nginx-version, or to the newest one.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).parents[2] / "fixtures"
CLAIM = re.compile(r"^# nginx -t: (ok|warn|emerg)$", re.MULTILINE)
VERSION = re.compile(r"^# lint: .*--nginx-version (\d+\.\d+)", re.MULTILINE)


def claims() -> list[Any]:
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(FIXTURES.glob("rules/*/*/*.conf"))}
    return [
        pytest.param(path, found[1], id=f"{path.parent.name}/{path.stem}")
        for path, text in texts.items()
        if (found := CLAIM.search(text))
    ]


@pytest.mark.parametrize(("path", "claim"), claims())
def test_nginx_agrees(path: Path, claim: str, generations: list[dict[str, Any]], tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    wanted = VERSION.search(text)
    fitting = [g for g in generations if not wanted or g["nginx_version"].startswith(f"{wanted[1]}.")]
    if not fitting:
        pytest.skip(f"no nginx {wanted[1] if wanted else ''} is installed")
    generation = fitting[-1]
    load = "".join(
        f"load_module {generation['modules']}/ngx_{name}_module.so;\n"
        for name in ("stream", "mail")
        if (Path(generation["modules"]) / f"ngx_{name}_module.so").exists()
    )
    for folder in FIXTURES.iterdir():
        (tmp_path / folder.name).symlink_to(folder)
    (tmp_path / "nginx.conf").write_text(f"{load}pid {tmp_path}/pid; error_log stderr;\n{text}", encoding="utf-8")
    command = [generation["nginx"], "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf"]
    reported = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if "bind() to" in reported.stderr:
        pytest.skip("this machine does not let nginx -t open the fixture's sockets")
    lines = [line for line in reported.stderr.splitlines() if "could not open error log" not in line]
    levels = {level for level in ("emerg", "warn") if any(f"[{level}]" in line for line in lines)}
    assert ("emerg" if reported.returncode else "warn" if "warn" in levels else "ok") == claim, reported.stderr
