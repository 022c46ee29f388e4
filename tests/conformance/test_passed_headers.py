"""Strict-Transport-Security of a back end that is a server of this nginx: which header clients use, and the report."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import nginxtls

sys.path.insert(0, str(Path(__file__).parent))
from lab import Bench, get
from servers import free_ports

NAME = "a-ec.test"
FRONT = 'add_header Strict-Transport-Security "max-age=111" always;'
BACK = 'add_header Strict-Transport-Security "max-age=222" always;'
HIDE = "proxy_hide_header Strict-Transport-Security;"
CASES = {
    "both": (FRONT, "", BACK, "max-age=222", {"duplicate-hsts"}),
    "in the location": ("", FRONT, BACK, "max-age=222", {"duplicate-hsts"}),
    "hidden": (FRONT, HIDE, BACK, "max-age=111", set()),
    "hidden by an outer level": (HIDE + FRONT, "", BACK, "max-age=111", set()),
    "the back end alone": ("", "", BACK, "max-age=222", set()),
    "the front alone": (FRONT, "", "", "max-age=111", set()),
    "another location of the back end": (FRONT, "", f"location /other/ {{ {BACK} return 204; }}", "max-age=111", None),
    "inherited by both": ("", "", "", "max-age=111", set()),
}  # fmt: skip


@pytest.mark.parametrize("listener", ["127.0.0.1:{}", "unix:{}/back.sock"])
@pytest.mark.parametrize("name", CASES)
def test_the_header_that_clients_use(name: str, listener: str, bench: Bench) -> None:
    front, location, back, used, rules = CASES[name]
    port, plain = free_ports(2)
    there = listener.format(bench.folder if "unix" in listener else plain)
    to = f"http://{there}:" if "unix" in there else f"http://{there}"
    text = (
        f"http {{ {bench.http_head} {FRONT if name == 'inherited by both' else ''}\n"
        f"server {{ listen 127.0.0.1:{port} ssl; server_name {NAME}; ssl_certificate certs/a-ec.pem;\n"
        f"ssl_certificate_key certs/a-ec.key;\n{front}\nlocation / {{ proxy_pass {to};\n{location} }} }}\n"
        f"server {{ listen {there}; server_name back.invalid;\n{back}\nlocation / {{ return 200 app; }} }} }}"
    )
    (bench.folder / "back.sock").unlink(missing_ok=True)
    main = bench.write({"nginx.conf": bench.head + text})
    with bench.running(main, port):
        answer = get("127.0.0.1", port, NAME, "/")
    assert answer is not None
    assert answer[1]["strict-transport-security"] == used
    found = {f.rule for f in nginxtls.check(main).findings if f.rule in ("duplicate-hsts", "hsts-over-http")}
    assert rules is None or found == rules
