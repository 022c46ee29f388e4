"""Real nginx as on a host: a master and workers with their titles in /proc, reloaded and upgraded by signals."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

INTERPRETER = b"/lib64/ld-linux-x86-64.so.2\0"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def free_ports(number: int) -> list[int]:
    """Ports that nobody uses."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]


class Program:
    """The nginx of a generation as a program of its own: started through its loader, it could not set its title."""

    def __init__(self, generation: dict[str, Any], folder: Path) -> None:
        words = Path(generation["nginx"]).read_text().rpartition("exec ")[2].split()
        loader, libraries, binary = words[0], words[2], words[3]
        self.modules = Path(generation["modules"])
        self.versions = (
            f"--nginx-version={generation['nginx_version']}",
            f"--openssl-version={generation['openssl_version']}",
        )
        self._short = tempfile.mkdtemp(prefix="n", dir="/tmp")
        link = Path(self._short) / "ld"
        link.symlink_to(loader)
        data = Path(binary).read_bytes()
        path = str(link).encode()
        assert INTERPRETER in data
        assert len(path) < len(INTERPRETER)
        self.path = folder / "nginx"
        self.path.write_bytes(data.replace(INTERPRETER, path.ljust(len(INTERPRETER), b"\0"), 1))
        self.path.chmod(0o755)
        root = Path(binary).parents[2]
        self.environment = {
            **os.environ,
            "LD_LIBRARY_PATH": libraries,
            "OPENSSL_CONF": str(root / "etc/ssl/openssl.cnf"),
        }

    def close(self) -> None:
        shutil.rmtree(self._short, ignore_errors=True)


class Server:
    """A running nginx in a folder of its own. ``certificates`` and ``renewals``: folders as ``lab`` makes them."""

    def __init__(self, program: Program, folder: Path, certificates: Path, renewals: Path) -> None:
        self.program = program
        self.folder = folder
        self.certificates = certificates
        self.renewals = renewals
        self.main = folder / "nginx.conf"
        self.process: subprocess.Popen[bytes] | None = None
        self.daemon = False
        """It starts as a daemon: else it ignores USR2."""
        self.generation: dict[str, Any] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, http: str = "", *, stream: str = "", mail: str = "", main: str = "") -> Path:
        """The configuration, from the content of its blocks; ``CERTS`` is the folder of the certificates."""
        modules = "".join(
            f"load_module {self.program.modules}/ngx_{name}_module.so;\n"
            for name in ("stream", "mail")
            if (self.program.modules / f"ngx_{name}_module.so").exists()
        )
        temporary = " ".join(f"{name}_temp_path {self.folder}/{name};" for name in TEMPORARY)
        text = f"{modules}daemon {'on' if self.daemon else 'off'}; worker_processes 2;\n"
        text += f"pid {self.folder}/pid; error_log {self.folder}/error.log;\n"
        text += f"env LD_LIBRARY_PATH; env OPENSSL_CONF;\n{main}\nevents {{}}\n"
        for name, body in (("http", http), ("stream", stream), ("mail", mail)):
            if body:
                head = f"access_log off; {temporary}\n" if name == "http" else ""
                text += f"{name} {{\n{head}{body}\n}}\n"
        self.main.write_text(text.replace("CERTS", str(self.certificates)))
        return self.main

    def renew(self) -> None:
        """Replace all certificates and keys."""
        for path in filter(Path.is_file, self.renewals.iterdir()):
            (self.certificates / path.name).unlink()  # a new file: else nginx 1.27.4 and later may keep the old one
            shutil.copyfile(path, self.certificates / path.name)

    def start(self, *ports: int, before: Callable[[], None] | None = None) -> None:
        """Start it, ``before`` called in the new process, and wait for its ports."""
        command = [str(self.program.path), "-p", str(self.folder), "-c", str(self.main)]
        self.process = subprocess.Popen(
            command,
            env=self.program.environment,
            stderr=subprocess.DEVNULL,
            preexec_fn=before,  # noqa: PLW1509 - no threads
        )
        if self.daemon:
            self.process.wait()
            pid = self.folder / "pid"
            self.until(lambda: pid.exists() and pid.read_text().strip())
        for port in ports:
            wait_for(port)
        self.until(lambda: len(self.workers()) >= 2)
        time.sleep(0.1)  # the next change of a file is clearly later

    def reload(self, *, wait: bool = True) -> None:
        """Reload it, and wait until new workers are there and (with ``wait``) the old ones have ended."""
        before = self.workers()
        os.kill(self.number, signal.SIGHUP)
        self.until(lambda: len(self.workers() - before) >= 2 and not self.workers() & before)
        if wait:
            self.until(lambda: not any("shutting down" in title for _, title in self.titles()))

    @property
    def number(self) -> int:
        """The number of the first master process."""
        assert self.process
        if self.daemon:
            old = self.folder / "pid.oldbin"
            return int((old if old.exists() else self.folder / "pid").read_text())
        return self.process.pid

    def workers(self, master: int = 0) -> set[int]:
        """The current workers' numbers, without those that are shutting down."""
        return {number for number, title in self.titles(master) if title == "nginx: worker process"}

    def titles(self, master: int = 0) -> list[tuple[int, str]]:
        """The children of the master and their titles."""
        found = []
        for number in children(master or self.number):
            with contextlib.suppress(OSError):
                found.append((number, Path(f"/proc/{number}/cmdline").read_bytes().strip(b"\0").decode()))
        return found

    @staticmethod
    def until(condition: Any, seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "nginx did not do it in time"
            time.sleep(0.01)

    def stop(self) -> None:
        """End it with all that it has started."""
        if self.process is None:
            return
        pids = [self.process.pid]
        for name in ("pid", "pid.oldbin"):
            with contextlib.suppress(OSError, ValueError):
                pids.append(int((self.folder / name).read_text()))
        for number in dict.fromkeys(pids):
            for each in (number, *children(number)):
                with contextlib.suppress(OSError):
                    os.kill(each, signal.SIGKILL)
        self.process.wait()
        self.process = None


def children(master: int) -> list[int]:
    """The child processes of a process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            if int(path.read_text().rpartition(") ")[2].split()[1]) == master:
                found.append(int(path.parent.name))
    return found


def wait_for(port: int, seconds: float = 10, host: str = "127.0.0.1") -> None:
    """Wait until a port accepts connections."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection((host, port), 1).close()
            return
        assert time.monotonic() < end, f"nothing listens on port {port}"
        time.sleep(0.01)
