"""Includes at which nginx does not start, asked of the real one."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from nginxtls import load
from nginxtls.model import refusals

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "include",
    [
        "gone.conf",
        "links/*.conf",
        "links/[x].conf",
        "folders/*",
        "folders",
        "empty/*.conf",
        "gone/*.conf",
        "gone/x.con[f]",
        "*/x.conf",
        "files/*.conf",
        "loop.conf",
    ],
)
def test_an_include_is_refused_where_nginx_refuses_it(generation: dict[str, Any], tmp_path: Path, include: str) -> None:
    for folder in ("links", "folders/sub", "empty", "files"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "links/x.conf").symlink_to("nowhere")
    (tmp_path / "loop.conf").symlink_to("loop.conf")
    (tmp_path / "files/a.conf").write_text("tcp_nopush on;\n")
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{ access_log off; include {include}; server {{ listen 127.0.0.1:1; }} }}\n"
    )
    done = subprocess.run(
        [generation["nginx"], "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    refused = [refusal.message for refusal in refusals(load(tmp_path / "nginx.conf", root="/"))]
    assert bool(refused) is (done.returncode != 0), (refused, done.stderr)
