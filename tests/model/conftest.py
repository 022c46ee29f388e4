"""Configurations for the tests of the model, written as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nginxtls.model import Configuration, Facts, NginxVersion, Store
from nginxtls.syntax import Files, read_tree
from nginxtls.tls import OpenSSL

CERTIFICATES = Path(__file__).parents[2] / "fixtures/certificates"

Configure = Callable[..., Configuration]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """``configure("server { … }")``: a whole configuration with this in http; ``certificates/`` are the fixtures'."""
    (tmp_path / "certificates").symlink_to(CERTIFICATES)

    def make(http: str, *, nginx: str | None = "1.30.6", openssl: str | None = "3.6.5", **files: str) -> Configuration:
        for name, text in files.items():
            (tmp_path / f"{name}.conf").write_text(text)
        main = tmp_path / "nginx.conf"
        main.write_text(http if "events" in http else f"events {{}}\nhttp {{\n{http}\n}}\n")
        door = Files([tmp_path, CERTIFICATES])
        facts = Facts(
            nginx=NginxVersion.parse(nginx) if nginx else None,
            openssl=OpenSSL.parse(openssl) if openssl else None,
        )
        return Configuration(read_tree(str(main), door), facts, Store(door, str(tmp_path)))

    return make
