"""The command ``nginxtls ciphers``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, cwd: Path | None = None) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "nginxtls", "ciphers", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def test_a_table_of_suites_in_openssls_order() -> None:
    status, out, _ = run("EECDH+AESGCM:kRSA+AESGCM", "--openssl-version", "3.0.20")
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == "OpenSSL 3.0.20, security level 2"
    assert [line.split()[0] for line in lines[2:-1]] == [
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
    ]
    assert lines[-2].endswith("no forward secrecy")


def test_unknown_words_are_underlined_in_place() -> None:
    _, out, _ = run("HIGH:!aNULLL:RC4-SHA")
    lines = out.splitlines()
    assert lines[1] == "  HIGH:!aNULLL:RC4-SHA"
    assert lines[2] == "        ^^^^^^ skipped: unknown to every OpenSSL; did you mean aNULL?"
    assert lines[3] == "               ^^^^^^^ skipped: removed from this OpenSSL"


def test_with_a_key_only_what_a_client_gets() -> None:
    _, out, _ = run("ALL", "--key", "ec:P-384", "--format", "json")
    offered = [s for s in json.loads(out)["suites"] if s["offered"]]
    assert {s["authentication"] for s in offered} == {"ECDSA", "any"}
    assert offered[0]["protocols"] == ["TLSv1.3"]


def test_a_policy_judges_and_sets_the_status() -> None:
    status, out, _ = run(
        "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA", "--policy", "mozilla-intermediate", "--format", "json"
    )
    assert status == 1
    assert [s["objection"] for s in json.loads(out)["suites"]] == [None, "not an allowed suite"]
    assert run("ECDHE-RSA-AES128-GCM-SHA256", "--policy", "mozilla-intermediate")[0] == 0


def test_a_rejected_string_is_reported_with_exit_code_1() -> None:
    status, out, _ = run("NOSUCH")
    assert (status, out.splitlines()[-1]) == (1, "OpenSSL rejects this string: no cipher match")


def test_strings_of_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(
        "events {}\nhttp {\n ssl_certificate x.pem; ssl_certificate_key x.key;\n"
        " server { listen 443 ssl; server_name a.test; ssl_ciphers EECDH+AESGCM; }\n"
        " server { listen 443 ssl; server_name b.test; ssl_ciphers EECDH+AESGCM; }\n"
        " server { listen 443 ssl; server_name c.test; ssl_ciphers kRSA; }\n}\n"
    )
    status, out, error = run("--nginx", "nginx.conf", "--format", "json", cwd=tmp_path)
    assert status == 0, error
    found = json.loads(out)
    assert [(f["servers"], f["string"]) for f in found] == [
        ("a.test on *:443, b.test on *:443", "EECDH+AESGCM"),
        ("c.test on *:443", "kRSA"),
    ]


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        ((), "STRING: is missing"),
        (("ALL", "--key", "foo"), "--key foo: is not a key"),
        (("ALL", "--policy", "nope"), "--policy nope: cannot be read"),
        (("ALL", "--openssl-version", "new"), "not a version of OpenSSL"),
        (("ALL", "--format", "xml"), "--format xml: is not an output format"),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_2(arguments: tuple[str, ...], reported: str) -> None:
    status, out, error = run(*arguments)
    assert (status, out) == (2, "")
    assert reported in error
    assert "Traceback" not in error
