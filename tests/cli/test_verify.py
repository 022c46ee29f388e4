"""The command line of ``verify``: formats, metrics, exit codes, bad input. What it finds is in tests/conformance."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nginxtls.live.differences import rules
from nginxtls.report import BUILT_IN

ROOT = Path(__file__).parents[2]
CERTIFICATES = ROOT / "fixtures" / "certificates"
PAIR = f"ssl_certificate {CERTIFICATES}/good.pem; ssl_certificate_key {CERTIFICATES}/good.key;"


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nginxtls", "verify", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield free.getsockname()[1]


def configuration(folder: Path, port: int) -> Path:
    main = folder / "nginx.conf"
    main.write_text(f"events {{}}\nhttp {{ server {{ listen 127.0.0.1:{port} ssl; server_name a.test; {PAIR} }} }}\n")
    return main


def test_every_format(tmp_path: Path, port: int) -> None:
    files = [word for form in BUILT_IN for word in ("--output", f"{form}:{form}.out")]
    done = run(configuration(tmp_path, port), "--no-config", *files, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    for form in BUILT_IN:
        assert "unanswered-listener" in (tmp_path / f"{form}.out").read_text(), form


def test_the_text_says_what_to_do(tmp_path: Path, port: int) -> None:
    done = run(configuration(tmp_path, port), "--no-config", cwd=tmp_path)
    assert f"error[unanswered-listener]: the listener 127.0.0.1:{port} refuses connections" in done.stdout
    assert "= help: run `nginx -t && systemctl " in done.stdout
    assert "verified 1 name on 1 listener with 1 connection" in done.stdout
    assert done.stderr == ""


def test_metrics(tmp_path: Path, port: int) -> None:
    main = configuration(tmp_path, port)
    done = run(
        main,
        "--no-config",
        "--format",
        "prometheus",
        "--output",
        "prometheus:n.prom",
        "--output",
        "json:n.json",
        cwd=tmp_path,
    )
    assert done.returncode == 1
    metrics = (tmp_path / "n.prom").read_text()
    for text in (done.stdout, metrics):
        assert f'nginxtls_listener_up{{configuration="nginx.conf",listener="127.0.0.1:{port}"}} 0\n' in text
        assert (
            f'nginxtls_differences{{configuration="nginx.conf",listener="127.0.0.1:{port}",name="a.test"}} 1\n' in text
        )
        assert 'nginxtls_verify_findings{severity="error"} 1\n' in text
        for line in text.splitlines():
            assert re.fullmatch(r'# (HELP|TYPE) nginxtls_\w+ .+|nginxtls_\w+(\{(\w+="[^"]*",?)+\})? -?[\d.]+', line), (
                line
            )
    assert json.loads((tmp_path / "n.json").read_text())["status"] == 1


def test_exit_codes(tmp_path: Path, port: int) -> None:
    main = configuration(tmp_path, port)
    assert run(main, "--no-config", "--exit-zero", cwd=tmp_path).returncode == 0
    nothing = tmp_path / "plain.conf"
    nothing.write_text(f"events {{}}\nhttp {{ server {{ listen 127.0.0.1:{port}; }} }}\n")
    done = run(nothing, "--no-config", cwd=tmp_path)
    assert done.returncode == 2
    assert "nothing was verified" in done.stdout
    fragment = tmp_path / "site.conf"
    fragment.write_text("server { listen 443 ssl; server_name a.test; }\n")
    done = run(fragment, "--no-config", cwd=tmp_path)
    assert done.returncode == 2
    assert "use the main file" in done.stdout


def test_a_folder_with_snippets(tmp_path: Path, port: int) -> None:
    """They are no failures beside a main file."""
    configuration(tmp_path, port)
    (tmp_path / "tls.conf").write_text("ssl_protocols TLSv1.2;\nssl_session_tickets off;\n")
    done = run(".", "--no-config", "--format", "concise", cwd=tmp_path)
    assert done.returncode == 1
    assert f"the listener 127.0.0.1:{port} refuses connections" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--connect", "web1:0"), "is not a host"),
        (("--connect", "-x"), "is not a host"),
        (("--connect", "127.0.0.1:1"), "is not a TLS listener"),
        (("--format", "nosuch"), "is not an output format"),
        (("--output", "prometheus:/nosuch/x.prom"), "its folder does not exist"),
        (("--timeout", "0"), "--timeout"),
        (("--host-map", "nosuch"), "cannot be read"),
        (("--host-map", "empty.txt"), "cannot be combined"),
    ],
)
def test_bad_options(tmp_path: Path, port: int, arguments: tuple[str, str], said: str) -> None:
    done = run(configuration(tmp_path, port), "--no-config", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    if arguments[0] != "--host-map":
        assert said in done.stderr
    else:
        assert "names the dumps and the hosts itself" in done.stderr


def test_host_maps(tmp_path: Path, port: int) -> None:
    (tmp_path / "dumps").mkdir()
    main = configuration(tmp_path, port)
    (tmp_path / "dumps/web1").write_text(f"# configuration file /etc/nginx/nginx.conf:\n{main.read_text()}")
    hosts = tmp_path / "dumps/hosts"
    hosts.write_text(f"# all hosts\nweb1 localhost:{port}  # the first\n")
    done = run("--host-map", hosts, "--no-config", "--format", "concise", cwd=tmp_path)
    assert done.returncode == 1
    assert f"(localhost:{port}) refuses connections" in done.stdout
    for text, said in (
        ("web1\n", "dumps/hosts:1: names no host"),
        ("\n", "names no dump"),
        ("web1 a:b\n", "is not a host"),
    ):
        hosts.write_text(text)
        done = run("--host-map", hosts, cwd=tmp_path)
        assert done.returncode == 2
        assert said in done.stderr


def test_progress_on_a_terminal_only(tmp_path: Path, port: int) -> None:
    main = configuration(tmp_path, port)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "nginxtls", "verify", str(main), "--no-config"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=False, cwd=tmp_path)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 4096):
            shown += chunk
    os.close(ours)
    assert b"verifying 1 of " in shown
    assert b"verifying" not in done.stdout


def test_each_difference_is_explained_and_documented() -> None:
    page = (ROOT / "docs" / "verify.md").read_text()
    for name, rule in rules().items():
        assert f"`{name}`" in page
        assert rule.summary.endswith(".")
    done = subprocess.run(
        [sys.executable, "-m", "nginxtls", "explain", "other-certificate"], capture_output=True, text=True, check=True
    )
    assert "without a reload" in done.stdout
