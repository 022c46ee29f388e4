"""``nginxtls handshake`` and ``nginxtls diff`` as people run them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("nginxtls")
CERTIFICATES = Path(__file__).parents[2] / "fixtures/certificates"
MAIN = """\
events {}
http {
    ssl_protocols TLSv1.2 TLSv1.3;
    server {
        listen 443 ssl;
        server_name a.test;
        ssl_certificate good.pem;
        ssl_certificate_key good.key;
    }
    include b.conf;
}
"""
B = """\
server {
    listen 443 ssl;
    server_name b.test www.b.test;
    ssl_certificate good-rsa.pem;
    ssl_certificate_key good-rsa.key;
    add_header Strict-Transport-Security "max-age=63072000" always;
}
"""


def run(*args: object, cwd: Path, status: int = 0) -> str:
    done = subprocess.run(
        [COMMAND, *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def write(folder: Path, b: str = B) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("good.pem", "good.key", "good-rsa.pem", "good-rsa.key"):
        shutil.copy(CERTIFICATES / name, folder)
    (folder / "nginx.conf").write_text(MAIN)
    (folder / "b.conf").write_text(b)
    return folder


def test_one_handshake_or_every_one(tmp_path: Path) -> None:
    text = run("handshake", "nginx.conf", "--all", "--servername", "b.test", cwd=write(tmp_path), status=2)
    assert "use one of the two" in text


def test_text_reads_like_a_handshake_and_explains_itself(tmp_path: Path) -> None:
    write(tmp_path)
    text = run("handshake", "nginx.conf", "--servername", "b.test", "--explain", cwd=tmp_path)
    assert "server         b.test www.b.test (b.conf:1)" in text
    assert "certificate    good-rsa.pem (RSA 2048, 2 sent)" in text
    assert "HSTS           max-age=63072000" in text
    assert "ssl_protocols TLSv1.2 TLSv1.3 [nginx.conf:3]" in text


def test_json_of_every_socket_and_name(tmp_path: Path) -> None:
    write(tmp_path)
    found = json.loads(run("handshake", "nginx.conf", "--all", "--format", "json", cwd=tmp_path))
    assert [answer["servername"] for answer in found] == [None, "a.test", "b.test", "www.b.test"]
    assert all(answer["accepts"] and answer["protocols"] == ["TLSv1.2", "TLSv1.3"] for answer in found)
    assert [answer["certificates"][0]["key"] for answer in found] == ["EC prime256v1"] * 2 + ["RSA 2048"] * 2


def test_starttls_listeners_are_sockets_too(tmp_path: Path) -> None:
    write(tmp_path)
    mail = "listen 143; protocol imap; starttls only; ssl_certificate good.pem; ssl_certificate_key good.key;"
    (tmp_path / "nginx.conf").write_text(f"events {{}}\nmail {{ auth_http 127.0.0.1:1; server {{ {mail} }} }}\n")
    found = json.loads(run("handshake", "nginx.conf", "--all", "--format", "json", cwd=tmp_path))
    assert [(answer["listener"], answer["accepts"]) for answer in found] == [("*:143", True)]


UPSTREAMS = """\
events {}
http {
    server {
        listen 80;
        location / { proxy_pass https://127.0.0.1:8443; proxy_ssl_server_name on; proxy_ssl_name b.test; }
        location /old { proxy_pass https://127.0.0.1:8080; }
        location /away { grpc_pass grpcs://away.test; grpc_ssl_protocols TLSv1.1 TLSv1.2; }
    }
    server {
        listen 127.0.0.1:8443 ssl;
        ssl_certificate good.pem;
        ssl_certificate_key good.key;
    }
    server { listen 8080; }
}
"""


def test_upstreams_are_handshakes_with_nginx_as_the_client(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "nginx.conf").write_text(UPSTREAMS)
    options = ("handshake", "nginx.conf", "--upstreams", "--openssl-version", "3.0.15")
    found = json.loads(run(*options, "--format", "json", cwd=tmp_path))
    assert [(answer["listener"], answer["result"]) for answer in found] == [
        ("127.0.0.1:8443", "accepted"),
        ("*:8080", "fails: the listener has no TLS"),
        (None, None),
    ]
    assert [answer["servername"] for answer in found] == ["b.test", None, None]
    assert found[2]["protocols"] == ["TLSv1.1", "TLSv1.2"]
    assert found[2]["notes"] == ["TLSv1.1: only if the back end chooses RSA key exchange"]
    newer = json.loads(run(*options[:-1], "3.5.1", "--format", "json", cwd=tmp_path))
    assert newer[2]["protocols"] == ["TLSv1.2"], "OpenSSL 3.5 offers TLS 1.1 at security level 0 only"
    assert found[2]["alpn"] == ["h2"]
    text = run(*options, cwd=tmp_path)
    assert "proxy_pass https://127.0.0.1:8080 (nginx.conf:6)" in text
    assert "result         fails: the listener has no TLS" in text


@pytest.mark.parametrize("options", [("--connect", "nowhere"), ("--format", "xml"), ("--nginx-version", "x")])
def test_options_that_cannot_be_meant(tmp_path: Path, options: tuple[str, str]) -> None:
    write(tmp_path)
    assert options[0] in run("handshake", "nginx.conf", *options, cwd=tmp_path, status=2)


def test_versions_of_the_nginx_at_hand(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "bin").mkdir()
    nginx = tmp_path / "bin/nginx"
    nginx.write_text('#!/bin/sh\necho "nginx version: nginx/1.18.0" >&2; echo "built with OpenSSL 1.1.1w  x" >&2\n')
    nginx.chmod(0o755)
    command: list[str | Path] = [COMMAND, "handshake", "nginx.conf", "--nginx-version", "auto", "--format", "json"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True, env={**os.environ, "PATH": str(nginx.parent)}
    )
    assert "X25519MLKEM768" not in json.loads(done.stdout)["groups"]


def test_a_change_is_told_by_what_clients_meet(tmp_path: Path) -> None:
    old, new = write(tmp_path / "old"), write(tmp_path / "new", B.replace("add_header", "ssl_protocols TLSv1.3; #"))
    text = run("diff", old, new, "--no-config", cwd=tmp_path)
    assert "b.test, www.b.test on *:443\n  protocol removed: TLSv1.2" in text
    assert "HSTS: was max-age=63072000, is now not sent" in text
    assert "a.test" not in text.partition("\nnew")[0]
    document = json.loads(run("diff", old, new, "--no-config", "--format", "json", cwd=tmp_path))
    assert document["changes"][0]["names"] == ["b.test", "www.b.test"]
    assert {finding["rule"] for finding in document["findings"]["new"]} >= {"protocols-differ-on-socket"}
    assert "- **b.test" in run("diff", old, new, "--no-config", "--format", "markdown", cwd=tmp_path)


def test_moving_lines_changes_nothing(tmp_path: Path) -> None:
    old, new = write(tmp_path / "old"), write(tmp_path / "new", "# moved\n\n" + B.replace("    ", "  "))
    assert run("diff", old, new, "--no-config", "--exit-code", cwd=tmp_path) == "no client sees a difference\n"


def test_revisions_of_a_repository(tmp_path: Path) -> None:
    write(tmp_path)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t.invalid"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "b.conf").write_text(B.replace("listen", "ssl_session_tickets off; listen"))
    text = run("diff", "HEAD", ".", "--no-config", cwd=tmp_path)
    assert "b.test, www.b.test on *:443\n  session tickets: now off" in text
    assert "neither a file or folder nor a git revision" in run("diff", "no-such", ".", cwd=tmp_path, status=2)


def test_a_policy_as_a_table(tmp_path: Path) -> None:
    text = run("explain", "--policy", "mozilla-intermediate", cwd=tmp_path)
    assert "| protocols |" in text
    assert "TLSv1.3" in text
    run("explain", cwd=tmp_path, status=2)
