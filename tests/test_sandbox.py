"""The sandbox: whatever a scanned tree says, nothing outside of it is opened, and nothing is sent but by ``verify``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nginxtls
from nginxtls.base.errors import UsageError
from nginxtls.base.programs import program
from nginxtls.cli.application import COMMANDS
from nginxtls.detection import local_versions
from nginxtls.model import packages

WATCHED = """
import os, sys
import nginxtls
package = os.path.dirname(os.path.dirname(nginxtls.__file__))
ours = tuple(os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, package, sys.argv[1]))

def watch(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        os.write(2, f"/network/{event}{os.linesep}".encode())
    if event in ("open", "os.listdir", "os.scandir") and arguments and isinstance(arguments[0], (str, bytes)):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if not path.startswith(ours) and path not in ("/etc/localtime", "/dev/null"):
            os.write(2, (path + os.linesep).encode())

from nginxtls.cli import main
sys.addaudithook(watch)
sys.argv = ["nginxtls", *sys.argv[2:]]
main()
"""

MAIN = """\
events { }
http {
    include /etc/passwd;
    include ../outside/secret.conf;
    include ../../../../../../../../../../etc/hostname;
    include /etc/*.conf;
    include /proc/self/environ;
    include /**/**/**/*;
    include ../outside/*.conf;
    include linked/*.conf;
    include conf.d/*.conf;
    include loop.conf;
    server {
        listen 443 ssl;
        ssl_certificate /etc/ssl/certs/ca-certificates.crt;
        ssl_certificate_key /etc/shadow;
        ssl_dhparam /dev/zero;
        ssl_session_ticket_key /dev/urandom;
        ssl_password_file /etc/shadow;
        ssl_trusted_certificate ../outside/secret.pem;
        ssl_client_certificate link.pem;
        ssl_crl linked/secret.pem;
        ssl_stapling_file pipe.pem;
        location / { proxy_pass https://a.example; proxy_ssl_trusted_certificate ../outside/secret.pem; }
    }
    server { listen 444 ssl; ssl_certificate pipe.pem; ssl_certificate_key pipe.pem; }
    server { listen 445 ssl; ssl_certificate /dev/stdin; ssl_certificate_key "engine:x:y"; }
    server { listen 446 ssl; ssl_certificate link.pem; ssl_certificate_key linked/secret.pem; }
}
"""


COMMAND_LINES = (
    ("check", "."),
    ("check", "nginx.conf"),
    ("check", "conf.d/secret.conf", "link.pem", "conf.d/passwd.conf"),
    ("check", ".", "--map", "/etc/nginx=conf.d"),
    ("check", ".", "--root", "."),
    ("inventory", "."),
    ("inventory", "--root", "."),
    ("handshake", "nginx.conf", "--root", ".", "--all"),
    ("chain", "/linked/secret.pem", "--root", "."),
    ("chain", "link.pem", "--root", "."),
    ("diff", "nginx.conf", "conf.d", "--root", "."),
    ("parse", "."),
    ("parse", "nginx.conf", "--root", "."),
)
UNWATCHED = ("verify", "rules", "policies", "explain", "ciphers")
"""The one command that opens connections, and those that read no configuration."""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that tries to get out, beside a folder with what it is after."""
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    (tree / "conf.d").mkdir(parents=True)
    (tree / ".git").mkdir()
    outside.mkdir()
    (outside / "secret.conf").write_text("ssl_protocols SSLv3;\n")
    (outside / "secret.conf.template").write_text("ssl_protocols SSLv3;\n")
    (outside / "secret.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    (tree / "nginx.conf").write_text(MAIN)
    (tree / "loop.conf").write_text("include loop.conf; include nginx.conf;\n")
    (tree / "Dockerfile").write_text("FROM nginx\nCOPY ../outside /etc/nginx\nCOPY / /etc/nginx/x/\n")
    mounts = ("../outside:/etc/nginx", "/:/etc/nginx/y", "../outside:/etc/nginx/templates", "./:/etc/nginx")
    (tree / "compose.yml").write_text("image: nginx\nvolumes:\n" + "".join(f"  - {mount}\n" for mount in mounts))
    for name, target in {
        "link.pem": "../outside/secret.pem",
        "linked": "../outside",
        ".gitignore": "../outside/secret.conf",
        "mime.types": "/etc/passwd",
        "templates": "../outside",
        "conf.d/passwd.conf": "/etc/passwd",
        "conf.d/secret.conf": "../../outside/secret.conf",
        "conf.d/zero.conf": "/dev/zero",
        "conf.d/gone.conf": "nowhere",
        "conf.d/self.conf": "self.conf",
        "conf.d/root": "/",
        "conf.d/up.conf": "..",
    }.items():
        (tree / name).symlink_to(target)
    os.mkfifo(tree / "pipe.pem")
    os.mkfifo(tree / "conf.d/pipe.conf")
    return tree


OTHERS = tuple((name, ".") for name in COMMANDS if name not in {*UNWATCHED, *(line[0] for line in COMMAND_LINES)})
"""Every other command, so that none is forgotten."""


@pytest.mark.parametrize("arguments", [*COMMAND_LINES, *OTHERS], ids=" ".join)
def test_nothing_outside_of_the_tree_is_opened(tree: Path, arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tree), *arguments],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    opened = [line for line in done.stderr.splitlines() if line.startswith("/")]
    assert not opened
    assert "Traceback" not in done.stderr
    assert arguments in OTHERS or "SSLv3" not in done.stdout


def test_the_watch_sees_connections(tree: Path) -> None:
    """Only ``verify`` opens any."""
    (tree / "conf.d/one.conf").write_text("")
    (tree / "one.conf").write_text("events {}\nhttp { server { listen 127.0.0.1:9 ssl; ssl_reject_handshake on; } }\n")
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tree), "verify", "one.conf", "--no-config"],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "/network/socket.connect" in done.stderr.splitlines()
    assert "unanswered-listener" in done.stdout


def test_the_watch_sees_what_is_opened(tree: Path) -> None:
    """Else the test above could not fail."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tree), "check", "../outside/secret.conf", "--no-config"],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert str(tree.parent / "outside" / "secret.conf") in done.stderr.splitlines()
    assert "SSLv3" in done.stdout


@pytest.mark.parametrize("target", ["/etc/nginx", "nginx", "/proc/self/root/etc/nginx"])
def test_a_link_to_itself_in_a_root_costs_that_path_only(target: str, tmp_path: Path) -> None:
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/nginx").symlink_to(target)
    (tmp_path / "site.conf").write_text("server { listen 443 ssl; ssl_protocols SSLv3; }\n")
    paths = [str(tmp_path / "root/etc/nginx"), str(tmp_path / "site.conf")]
    report = nginxtls.check(*paths, root=tmp_path / "root")
    assert [Path(failure.subject).name for failure in report.failures] == ["nginx"]
    assert "obsolete-ssl" in {finding.rule for finding in report.findings}


def test_tools_files_that_are_pipes_do_not_hold_up(tree: Path) -> None:
    (tree / ".gitignore").unlink()
    os.mkfifo(tree / ".gitignore")
    os.mkfifo(tree / ".nginxtls.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "nginxtls", "check", ".", "-q"],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "leads back" in done.stdout


@pytest.mark.parametrize(
    "command", ["-m nginxtls check n.conf", "-m nginxtls fleet n.conf -o out", "fleet n.conf -o out"]
)
def test_nothing_of_the_working_directory_is_imported(command: str, tmp_path: Path) -> None:
    """Python puts it on the import path of ``python -m``, and of the processes that it starts itself."""
    if "fleet" in command:
        pytest.importorskip("distributed")
        command = command.replace("-o out", "--output out --workers 1")
    (tmp_path / "n.conf").write_text("server { listen 443 ssl; ssl_protocols TLSv1; }\n")
    mark = tmp_path / "imported"
    for name in (*sys.stdlib_module_names, "distributed", "dask", "yaml", "nginxtls_rules", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write('{name} ')\n")
    start = [sys.executable] if command.startswith("-m") else [str(Path(sys.executable).with_name("nginxtls"))]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [*start, *command.split()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert not mark.exists(), mark.read_text()
    assert done.returncode in (0, 1), done.stderr


@pytest.mark.parametrize("path", [".:/nowhere", ":/nowhere", "bin", "/nowhere:.", ""])
def test_no_program_of_the_working_directory_runs(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nginx", "git", "bin/nginx", "bin/git"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", path)
    assert program("nginx") is None
    assert program("git") is None
    ran: list[str] = []

    def run(command: list[str], **options: object) -> object:
        ran.append(command[0])
        raise OSError

    monkeypatch.setattr(packages, "installed_nginx", lambda: None)
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(UsageError):
        local_versions()
    assert all(map(os.path.isabs, ran))
