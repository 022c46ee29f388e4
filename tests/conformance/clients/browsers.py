"""Clients that request no page line by line: Firefox, nginx as a client, and aioquic, whose ClientHello is in QUIC."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

import generations
from hello import read_client_hello
from programs import _said, folder
from tap import Tap


def browsers() -> Iterator[dict[str, Any]]:
    """A row for each of them that is installed."""
    for made in (_firefox, _nginx, _aioquic):
        for name, family, version, source, offer in made():
            yield {"name": name, "family": family, "version": version, "recorded": date.today().isoformat(),
                   "source": source, **offer}  # fmt: skip


def _firefox() -> Iterator[tuple[str, str, str, str, dict[str, Any]]]:
    path = shutil.which("firefox-esr")
    version = _said(path, "--version") if path else ""
    if not path or not version:
        return
    with tempfile.TemporaryDirectory() as profile, Tap() as tap:
        Path(profile, "user.js").write_text('user_pref("browser.shell.checkDefaultBrowser", false);\n')
        command = [path, "--headless", "--no-remote", "--profile", profile, "--screenshot", f"{profile}/x.png"]
        process = subprocess.Popen(
            [*command, f"https://a.localhost:{tap.port}/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"HOME": profile, "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        for _ in range(300):
            if any(c.client for c in tap.connections):
                break
            time.sleep(0.1)
        time.sleep(0.3)
        process.terminate()
        process.wait()
        hellos = [c.hello for c in tap.connections if c.client]
    if hellos:
        yield f"Firefox {version} ESR", "Firefox", version, "Debian: firefox-esr", hellos[0]


def _nginx() -> Iterator[tuple[str, str, str, str, dict[str, Any]]]:
    for generation in generations.installed():
        with tempfile.TemporaryDirectory() as scratch, Tap() as tap:
            with running_nginx(generation.nginx, Path(scratch)) as port:
                get(port, tap.port)
            hellos = [c.hello for c in tap.connections if c.client]
        if hellos:
            # proxy_ssl_protocols is TLSv1 to TLSv1.2 by default before 1.27.3; Debian excludes the old ones.
            hellos[0]["protocols"] = hellos[0]["protocols"] or ["TLSv1.2"]
            name = f"nginx {generation.nginx_version} (OpenSSL {generation.openssl_version})"
            yield name, "nginx", generation.nginx_version, "Debian: nginx, proxy_pass https", hellos[0]


@contextlib.contextmanager
def running_nginx(binary: Path, scratch: Path) -> Iterator[int]:
    """nginx as a client of any local port: a request of /PORT is passed on to it over TLS."""
    with Tap() as free:
        port = free.port
    temporary = "".join(f"{n}_temp_path {scratch}/t;" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    main = scratch / "client.conf"
    main.write_text(
        f"daemon off; master_process off; pid {scratch}/client.pid; error_log {scratch}/client.log; events {{}}\n"
        f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port};\n"
        "location ~ ^/(\\d+)$ { proxy_ssl_session_reuse off; proxy_pass https://127.0.0.1:$1; } } }\n"
    )
    process = subprocess.Popen([str(binary), "-p", str(scratch), "-c", str(main)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                get(port, 0)
                break
            time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait()


def get(port: int, upstream: int) -> bool:
    """Whether nginx gets an answer from a port over TLS."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", f"/{upstream}")
    status = connection.getresponse().status
    connection.close()
    return status == 200


_QUIC = """
import json, aioquic, sys
from aioquic.buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic import tls
made = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name="a.test")
connection = QuicConnection(configuration=made)
connection.connect(("127.0.0.1", 443), now=0)
stream = connection._crypto_streams[tls.Epoch.INITIAL]
print(aioquic.__version__, bytes(stream.sender._buffer).hex())
"""


def _aioquic() -> Iterator[tuple[str, str, str, str, dict[str, Any]]]:
    python = folder() / "venv/bin/python"
    if not python.exists():
        return
    done = subprocess.run([str(python), "-c", _QUIC], capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return
    version, data = done.stdout.split()
    offer = read_client_hello(bytes.fromhex(data))
    yield f"aioquic {version}", "aioquic", version, "PyPI: aioquic", {**offer, "quic": True}


if __name__ == "__main__":
    for row in browsers():
        print(json.dumps(row))
