"""The variables of the TLS modules in each generation: one that nginx does not have stops it, as predicted."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import nginxtls
from nginxtls.model import refusals
from nginxtls.model.nginx_test.variables import since

CERTIFICATES = Path(__file__).parents[2] / "fixtures/certificates"


def test_variables_are_unknown_where_predicted(generation: dict[str, Any], tmp_path: Path) -> None:
    for name in ("good-rsa.pem", "good-rsa.key"):
        shutil.copy(CERTIFICATES / name, tmp_path)
    main = tmp_path / "nginx.conf"
    temporary = "".join(f"{n}_temp_path {tmp_path}/t;" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    differing = []
    for name in (name for name in since() if "preread" not in name):
        server = "listen 18998 ssl; ssl_certificate good-rsa.pem; ssl_certificate_key good-rsa.key;"
        main.write_text(
            f"pid {tmp_path}/pid; error_log stderr; events {{}} "
            f"http {{ access_log off; {temporary} server {{ {server} add_header x ${name}; }} }}"
        )
        done = subprocess.run(
            [generation["nginx"], "-t", "-p", tmp_path, "-c", main], capture_output=True, text=True, check=False
        )
        versions = {key: generation[key] for key in ("nginx_version", "openssl_version")}
        predicted = [r.message for r in refusals(nginxtls.load(main, **versions)) if "variable" in r.message]
        if bool(predicted) != (f'unknown "{name}" variable' in done.stderr):
            differing.append((name, predicted, done.stderr))
    assert not differing
