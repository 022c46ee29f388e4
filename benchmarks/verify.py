"""How long ``nginxtls verify`` takes for N names of one host, each a server of its own: seconds and CPU, as JSON.

    python benchmarks/verify.py --nginx NGINX --names 1000 [--versions 1.26.3 3.5.1]

Starts that nginx with N servers on a free port of 127.0.0.1; its time is in the figures, as both share the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sites

HEAD = """\
daemon off; pid {folder}/pid; error_log {folder}/error.log;
worker_processes 2;
events {{ worker_connections 1024; }}
http {{
    access_log off; server_names_hash_max_size 65536; server_names_hash_bucket_size 128;
    client_body_temp_path {folder}/c; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    add_header Strict-Transport-Security max-age=63072000;
"""
SERVER = """\
    server {{
        listen 127.0.0.1:{port} ssl; server_name {name};
        ssl_certificate certificates/{pair}.pem; ssl_certificate_key certificates/{pair}.key;
        return 200 x;
    }}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nginx", default="nginx")
    parser.add_argument("--names", type=int, default=1000)
    parser.add_argument("--versions", nargs=2, metavar=("NGINX", "OPENSSL"), default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nginxtls-verify-") as scratch:
        folder = Path(scratch)
        sites.make(folder, options.names, max(1, options.names // 10))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        names = [name for name in sites.names_of(range(options.names)) if not name.startswith("www.")]
        servers = "".join(
            SERVER.format(port=port, name=name, pair=f"c{number % max(1, options.names // 10):05}")
            for number, name in enumerate(names)
        )
        main_file = folder / "nginx.conf"
        main_file.write_text(HEAD.format(folder=folder) + servers + "}\n")
        server = subprocess.Popen([options.nginx, "-p", folder, "-c", main_file], stderr=subprocess.DEVNULL)
        try:
            _wait(port)
            figures = {
                "names": len(names),
                "nginxtls verify": _time(main_file, options.versions),
                "nginxtls verify --no-http": _time(main_file, options.versions, "--no-http"),
                "nginxtls handshake --all": _time(main_file, options.versions, command="handshake"),
            }
        finally:
            server.terminate()
            server.wait()
    print(json.dumps(figures))


def _wait(port: int) -> None:
    for _ in range(1000):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit("nginx does not start")


def _time(main_file: Path, versions: list[str], *arguments: str, command: str = "verify") -> dict[str, float]:
    """The time of a whole process, and the CPU time that it takes without nginx's."""
    given = ["--nginx-version", versions[0], "--openssl-version", versions[1]] if versions else []
    words = [sys.executable, "-m", "nginxtls", command, str(main_file), *given, *arguments]
    if command == "verify":
        words += ["--rate", "100000"]
    else:
        words += ["--all", "--format", "json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(seconds, 2), "cpu": round(cpu, 2)}


if __name__ == "__main__":
    main()
