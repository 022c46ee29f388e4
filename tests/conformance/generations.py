#!/usr/bin/env python3
"""Install the generations of nginx and OpenSSL that the conformance tests ask, side by side, without root.

    python tests/conformance/generations.py DIR [NAME ...]

Each generation is a Debian release's nginx and openssl with all that they load, downloaded by a private apt and
unpacked into DIR/NAME; nothing of the machine changes, no maintainer script runs. DIR/bin/nginx-NAME and
DIR/bin/openssl-NAME start them with that release's own loader. What is there already stays. Needs a Debian with
apt-get, dpkg-deb and a mirror.

The tests look in the folder that the environment variable NGINXTLS_GENERATIONS names, else in
~/.cache/nginxtls-generations.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

# bullseye's plain `nginx` package is empty and only chooses a flavour.
PACKAGES = {
    "bullseye": ("openssl", "nginx-core", "libnginx-mod-stream", "libnginx-mod-mail"),
    "bookworm": ("openssl", "nginx", "libnginx-mod-stream", "libnginx-mod-mail"),
    "trixie": ("openssl", "nginx", "libnginx-mod-stream", "libnginx-mod-mail"),
    "sid": ("openssl", "nginx", "libnginx-mod-stream", "libnginx-mod-mail"),
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LIBRARIES = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
# Packages that come along as dependencies but that neither nginx nor openssl loads.
NEEDLESS = re.compile(
    r"^(perl|libperl|debconf|dpkg|tar|adduser|passwd|python3|iproute2|lsb-base|media-types|coreutils)"
)


class Failure(Exception):
    """What went wrong, in a sentence."""


@dataclass(frozen=True, slots=True)
class Generation:
    """An installed generation: the programs to start and what they are."""

    name: str
    nginx: Path
    openssl: Path
    nginx_version: str
    openssl_version: str
    modules: Path


def folder() -> Path:
    """Where the generations are, or would be."""
    return Path(os.environ.get("NGINXTLS_GENERATIONS") or Path.home() / ".cache" / "nginxtls-generations")


def installed(directory: Path | None = None) -> list[Generation]:
    """The generations that are there and start, oldest first."""
    directory = directory or folder()
    found = []
    for name in PACKAGES:
        nginx, openssl = directory / "bin" / f"nginx-{name}", directory / "bin" / f"openssl-{name}"
        if nginx.exists() and openssl.exists():
            versions = _versions(nginx, openssl)
            if versions:
                found.append(Generation(name, nginx, openssl, *versions, directory / f"modules-{name}"))
    return found


def _versions(nginx: Path, openssl: Path) -> tuple[str, str] | None:
    first = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=False)
    second = subprocess.run([openssl, "version"], capture_output=True, text=True, check=False)
    found = re.search(r"nginx/(\S+)", first.stderr)
    if not found or second.returncode:
        return None
    return found[1], second.stdout.split()[1]


def _run(*command: object) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.strip()][:2]
        raise Failure(f"{command[0]}: {' | '.join(told) or f'status {done.returncode}'}")
    return done.stdout


def _mirror() -> str:
    """The Debian mirror that this machine's apt uses."""
    for uri in _run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split():
        if "debian" in uri and "security" not in uri:
            return uri
    raise Failure("apt's sources name no Debian mirror; give one with --mirror")


def _unpack(name: str, root: Path, mirror: str) -> None:
    """Download a release's packages with all dependencies into a folder of their own and unpack them into ``root``."""
    apt = root.with_name(f".apt-{name}")
    shutil.rmtree(apt, ignore_errors=True)
    for part in ("lists/partial", "archives/partial", "etc"):
        (apt / part).mkdir(parents=True)
    trust = f"signed-by={KEYRING}" if KEYRING.exists() else "trusted=yes"
    (apt / "sources.list").write_text(f"deb [arch=amd64 {trust}] {mirror} {name} main\n")
    (apt / "status").touch()
    options = {
        "Dir::Etc": apt / "etc",
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": apt,
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt,
        "Dir::Cache::archives": apt / "archives",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Acquire::Check-Valid-Until": "false",
    }
    hooks = (
        "APT::Update::Pre-Invoke",
        "APT::Update::Post-Invoke",
        "APT::Update::Post-Invoke-Success",
        "DPkg::Pre-Install-Pkgs",
        "DPkg::Post-Invoke",
    )
    lines = [*(f'{key} "{value}";' for key, value in options.items()), *(f"#clear {hook};" for hook in hooks)]
    (apt / "apt.conf").write_text("\n".join(lines) + "\n")
    # Read with -c, after the machine's own settings, so that its proxy holds here too.
    get = ("apt-get", "-qq", "--yes", "-c", apt / "apt.conf")
    _run(*get, "-o", "APT::Update::Error-Mode=any", "update")
    _run(*get, "--download-only", "install", *PACKAGES[name])
    fresh = root.with_name(f".new-{name}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for package in sorted((apt / "archives").glob("*.deb")):
        if not NEEDLESS.match(package.name):
            _run("dpkg-deb", "--extract", package, fresh)
    shutil.rmtree(apt)
    shutil.rmtree(root, ignore_errors=True)
    fresh.rename(root)


def _wrap(directory: Path, name: str, root: Path) -> None:
    """Write DIR/bin/nginx-NAME and DIR/bin/openssl-NAME, and the link DIR/modules-NAME to nginx's dynamic modules."""
    loaders = (root / part / "ld-linux-x86-64.so.2" for part in (*LIBRARIES, "usr/lib64", "lib64"))
    loader = next((path for path in loaders if path.exists() and path.resolve().is_relative_to(root)), None)
    if loader is None:
        raise Failure(f"{root}: no ld-linux-x86-64.so.2 among the unpacked packages")
    engines = next(iter(sorted((root / LIBRARIES[1]).glob("engines-*"))), root)
    settings = {
        "OPENSSL_CONF": root / "etc/ssl/openssl.cnf",
        "OPENSSL_MODULES": root / LIBRARIES[1] / "ossl-modules",
        "OPENSSL_ENGINES": engines,
    }
    start = [str(loader), "--library-path", ":".join(str(root / part) for part in LIBRARIES)]
    (directory / "bin").mkdir(exist_ok=True)
    for program, path in (("nginx", "usr/sbin/nginx"), ("openssl", "usr/bin/openssl")):
        # A caller may set these variables itself.
        lines = ["#!/bin/sh", *(f": ${{{key}={shlex.quote(str(value))}}}" for key, value in settings.items())]
        lines += ["export " + " ".join(settings), "exec " + shlex.join([*start, str(root / path)]) + ' "$@"']
        wrapper = directory / "bin" / f"{program}-{name}"
        wrapper.write_text("\n".join(lines) + "\n")
        wrapper.chmod(0o755)
    link = directory / f"modules-{name}"
    link.unlink(missing_ok=True)
    link.symlink_to(root / "usr/lib/nginx/modules")


def install(directory: Path, name: str, mirror: str | None = None) -> None:
    """Install one generation unless it is there. Raises Failure."""
    root = directory / name
    try:
        if not (root / "usr/sbin/nginx").exists():
            _unpack(name, root, mirror or _mirror())
        _wrap(directory, name, root)
    except OSError as error:
        raise Failure(str(error)) from error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", metavar="DIR", type=Path)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(PACKAGES)}; all if none is named")
    parser.add_argument("--mirror", help="the Debian mirror's address, if not the one that apt uses")
    options = parser.parse_args()
    names = options.names or list(PACKAGES)
    if unknown := [n for n in names if n not in PACKAGES]:
        parser.error(f"no generation {unknown[0]!r}: known are {', '.join(PACKAGES)}")
    directory: Path = options.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for name, future in [(n, pool.submit(install, directory, n, options.mirror)) for n in names]:
            try:
                future.result()
            except Failure as failure:
                print(f"{name}: {failure}", file=sys.stderr)
                failed = 1
    for generation in installed(directory):
        print(f"{generation.name:<10} nginx {generation.nginx_version:<8} OpenSSL {generation.openssl_version}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
