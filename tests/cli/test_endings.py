"""How a run ends when the machine does not play along: one line or silence, and never exit code 1 for no findings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
CONFIGURATION = "events {}\nhttp {\n    server {\n        listen 443 ssl;\n        ssl_protocols TLSv1;\n    }\n}\n"


def start(folder: Path, *arguments: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    """``nginxtls check . --no-config`` in a folder, in a shell with redirections."""
    command = f'"{sys.executable}" -m nginxtls check . --no-config {" ".join(arguments)} {shell}'
    return subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nginx.conf").write_text(CONFIGURATION)
    return tmp_path


def test_standard_output_is_closed(folder: Path) -> None:
    done = start(folder, shell=">&-")
    assert (done.returncode, done.stderr) == (2, "error: standard output is closed\n")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("form", ["text", "json", "sarif", "html"])
def test_the_disk_is_full(folder: Path, form: str) -> None:
    done = start(folder, "--format", form, shell="> /dev/full")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


def test_a_pipe_that_nobody_reads_any_more_ends_it_in_silence(folder: Path) -> None:
    sites = "".join(f"server {{ listen {1000 + n} ssl; ssl_protocols TLSv1; }}\n" for n in range(2000))
    (folder / "nginx.conf").write_text(f"events {{}} http {{ {sites} }}")
    done = start(folder, "--exit-zero", shell="| head -c 1; echo ${PIPESTATUS[0]}")
    assert done.stdout.endswith(f"{128 + signal.SIGPIPE}\n")
    assert done.stderr == ""


def test_the_working_directory_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f'rmdir "{gone}"; "{sys.executable}" -m nginxtls check .'
    ended = subprocess.run(["bash", "-c", command], cwd=gone, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: the working directory: no longer exists")


def test_an_interrupt_is_neither_a_result_nor_a_traceback(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "nginxtls", "check", "-", "--no-config"],
        cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(b"x" * 100_000)  # it is read, so the command has started
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    out, error = process.communicate()
    assert (process.returncode, out, error) == (130, b"", b"")


def test_an_interrupt_during_the_imports_is_silent(folder: Path) -> None:
    interrupting = (
        "import os, runpy, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'nginxtls.cli': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "runpy.run_module('nginxtls', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", interrupting], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("word", ["a\u202eb", "-\u2028", "--\ufeff=\x9b1m", "a\n::error::b"])
def test_an_error_about_the_command_line_is_inert(word: str, folder: Path) -> None:
    command = [sys.executable, "-m", "nginxtls", "rules", word]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 2
    text = done.stderr.decode()
    assert "Error: " in text
    assert all(line.isprintable() and not line.lstrip().startswith("::") for line in text.split("\n"))


def test_names_that_are_not_utf8_reach_a_baseline(folder: Path) -> None:
    (folder / os.fsdecode(b"site-\xff.conf")).write_text(CONFIGURATION)
    done = start(folder, "--write-baseline", "--baseline", "known.json")
    assert done.returncode == 0
    assert "\\udcff" in (folder / "known.json").read_text()


def test_a_peer_that_is_gone_is_an_error_only_where_connections_are_kept() -> None:
    """SIGPIPE ends a command whose output nobody reads; ``verify``, ``fleet`` and ``lsp`` go on."""
    script = (
        "import signal, socket\n"
        "from nginxtls.base.pipes import closed_peers_are_errors\n"
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
        "near, far = socket.socketpair()\n"
        "far.close()\n"
        "with closed_peers_are_errors():\n"
        "    try:\n"
        "        near.send(b'x')\n"
        "    except BrokenPipeError:\n"
        "        print('an error', flush=True)\n"
        "near.send(b'x')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("an error\n", -signal.SIGPIPE)
