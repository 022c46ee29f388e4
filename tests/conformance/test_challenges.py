"""ACME challenges for names that have a server beside the default server: what real nginx answers, and the report."""

from __future__ import annotations

import http.client
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import nginxtls

sys.path.insert(0, str(Path(__file__).parent))
from lab import Bench, get
from servers import free_ports

NAME = "a-ec.test"
PATH = "/.well-known/acme-challenge/token"
OWN = "location /.well-known/acme-challenge/ { root WEBROOT; }"
CASES = {
    "a redirect, and a site that does not know the challenge": (True, "return 301 https://$host:TLS$request_uri;", ""),
    "a redirect in a location": (True, "location / { return 301 https://$host:TLS$request_uri; }", ""),
    "a rewrite": (True, "rewrite ^ https://$host:TLS$request_uri permanent;", "location / { return 200 app; }"),
    "a condition": (True, "if ($scheme = http) { return 301 https://$host:TLS$request_uri; }", "root OTHER;"),
    "no answer at all": (True, "return 404;", OWN),
    "the challenge is answered over TLS": (False, "return 301 https://$host:TLS$request_uri;", OWN),
    "the same folder over TLS": (False, "return 301 https://$host:TLS$request_uri;", "root WEBROOT;"),
    "a location of its own": (False, OWN + " location / { return 301 https://$host:TLS$request_uri; }", ""),
    "a longer location of its own": (
        False,
        "location ^~ /.well-known/ { root WEBROOT; } location / { return 301 https://$host:TLS$request_uri; }",
        "",
    ),
}


@pytest.fixture(scope="module")
def bench(bench: Bench) -> Bench:
    folder = bench.folder
    live = folder / "letsencrypt/live" / NAME
    live.mkdir(parents=True)
    shutil.copy(folder / "certs/a-ec.pem", live / "fullchain.pem")
    shutil.copy(folder / "certs/a-ec.key", live / "privkey.pem")
    for name, text in (("webroot" + PATH, "token"), ("other/index.html", "site")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return bench


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_challenge_that_only_the_default_server_answers(case: tuple[bool, str, str], bench: Bench) -> None:
    fails, plain, secured = case
    port, tls = free_ports(2)
    live = f"letsencrypt/live/{NAME}"
    text = (
        f"http {{ {bench.http_head} root OTHER;\n"
        f"server {{ listen 127.0.0.1:{port} default_server; server_name _; {OWN} location / {{ return 404; }} }}\n"
        f"server {{ listen 127.0.0.1:{port}; server_name {NAME}; {plain} }}\n"
        f"server {{ listen 127.0.0.1:{tls} ssl; server_name {NAME}; ssl_certificate {live}/fullchain.pem;\n"
        f"ssl_certificate_key {live}/privkey.pem; {secured} }} }}"
    )
    for word, value in (("WEBROOT", f"{bench.folder}/webroot"), ("OTHER", f"{bench.folder}/other"), ("TLS", str(tls))):
        text = text.replace(word, value)
    main = bench.write({"nginx.conf": bench.head + text})
    with bench.running(main, port):
        assert (validated(port) != "token") is fails
        assert body(port, "unknown.test")[2] == "token"
    found = [finding for finding in nginxtls.check(main).findings if finding.rule == "shadowed-acme-challenge"]
    assert len(found) == fails


def body(port: int, host: str) -> tuple[int, str, str]:
    """Status, Location and body for the challenge over plain HTTP."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", PATH, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.getheader("Location", ""), answer.read().decode()


def validated(port: int) -> str:
    """What a certificate authority reads: it begins over plain HTTP, follows redirects, and accepts any certificate."""
    status, location, text = body(port, NAME)
    if status != 301:
        return text
    url = urlsplit(location)
    found = get("127.0.0.1", url.port or 443, url.hostname, url.path)
    return found[2] if found else ""
