#!/usr/bin/env python3
"""Install the generations of nginx and OpenSSL that the conformance tests ask, side by side, without root.

    python tests/conformance/generations.py DIR [NAME ...]

Each generation is a Debian release's nginx and openssl with all that they load, downloaded by a private apt and
unpacked into DIR/NAME; nothing of the machine changes, no maintainer script runs. DIR/bin/nginx-NAME and
DIR/bin/openssl-NAME start them with that release's own loader. What is there already stays. Needs a Debian with
apt-get, dpkg-deb and a mirror.

``experimental`` is optional and installed only if it is named: OpenSSL 4 from Debian's experimental suite, with an
nginx built against it by the local gcc and make (three minutes), from a source tree (``--nginx-source``, nginx 1.29.8
or later) or else the source package of sid. Tests that find it ask it, too; nothing requires it.

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
# Its libraries and headers are trixie's but for OpenSSL's own packages.
OPTIONAL = {"experimental": ("openssl", "libssl-dev", "libpcre2-dev", "zlib1g-dev", "libc6-dev")}
FROM_EXPERIMENTAL = "openssl libssl4 libssl-dev openssl-provider-legacy"
# What Debian's nginx has that matters here, all of it built in.
CONFIGURE = """--prefix=/usr/share/nginx --with-threads --with-http_ssl_module --with-http_v2_module
    --with-http_v3_module --with-http_realip_module --with-http_auth_request_module --with-http_stub_status_module
    --with-http_dav_module
    --with-http_slice_module --with-http_addition_module --with-http_gunzip_module --with-http_gzip_static_module
    --with-http_sub_module --with-http_secure_link_module --with-http_mp4_module --with-http_flv_module
    --with-http_random_index_module --with-stream --with-stream_ssl_module --with-stream_ssl_preread_module
    --with-stream_realip_module --with-mail --with-mail_ssl_module"""
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
    for name in (*PACKAGES, *OPTIONAL):
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
        reported = [line for line in done.stderr.splitlines() if line.strip()][:2]
        raise Failure(f"{command[0]}: {' | '.join(reported) or f'status {done.returncode}'}")
    return done.stdout


def _mirror() -> str:
    """The Debian mirror that this machine's apt uses."""
    for uri in _run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split():
        if "debian" in uri and "security" not in uri:
            return uri
    raise Failure("apt's sources name no Debian mirror; give one with --mirror")


def _prepare(name: str, root: Path, mirror: str) -> tuple[Path, tuple[object, ...]]:
    """A folder with a private apt for a release, its lists up to date, and the command that runs it."""
    apt = root.with_name(f".apt-{name}")
    shutil.rmtree(apt, ignore_errors=True)
    for part in ("lists/partial", "archives/partial", "etc/preferences.d"):
        (apt / part).mkdir(parents=True)
    trust = f"signed-by={KEYRING}" if KEYRING.exists() else "trusted=yes"
    suites = ("trixie", "experimental") if name in OPTIONAL else (name,)
    lines = [f"deb [arch=amd64 {trust}] {mirror} {suite} main" for suite in suites]
    if name in OPTIONAL:
        lines.append(f"deb-src [{trust}] {mirror} sid main")
        pins = (
            *("Package: *", "Pin: release a=experimental", "Pin-Priority: -1", ""),
            *(f"Package: {FROM_EXPERIMENTAL}", "Pin: release a=experimental", "Pin-Priority: 990", ""),
        )
        (apt / "etc/preferences").write_text("\n".join(pins))
    (apt / "sources.list").write_text("\n".join(lines) + "\n")
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
    return apt, get


def _unpack(name: str, root: Path, mirror: str, source: Path | None) -> None:
    """Download a release's packages with all dependencies into a folder of their own and unpack them into ``root``."""
    apt, get = _prepare(name, root, mirror)
    _run(*get, "--download-only", "install", *(PACKAGES.get(name) or OPTIONAL[name]))
    fresh = root.with_name(f".new-{name}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for package in sorted((apt / "archives").glob("*.deb")):
        if not NEEDLESS.match(package.name):
            _run("dpkg-deb", "--extract", package, fresh)
    if name in OPTIONAL:
        _build(fresh, source or _source(apt, get), apt / "build")
    shutil.rmtree(apt)
    shutil.rmtree(root, ignore_errors=True)
    fresh.rename(root)


def _source(apt: Path, get: tuple[object, ...]) -> Path:
    """The source tree of sid's nginx."""
    _run("env", "-C", apt, *get, "--download-only", "--tar-only", "source", "nginx")
    for archive in apt.glob("nginx_*.orig.tar.gz"):
        _run("tar", "-xzf", archive, "-C", apt)
    found = next(apt.glob("nginx-*/auto/configure"), None) or next(apt.glob("nginx-*/configure"), None)
    if found is None:
        raise Failure("the source package of nginx holds no configure script")
    return apt / found.relative_to(apt).parts[0]


def _build(root: Path, source: Path, build: Path) -> None:
    """Build nginx from ``source`` against the libraries in ``root`` and put it there."""
    for program in ("gcc", "make"):
        if shutil.which(program) is None:
            raise Failure(f"{program} is not installed; nginx cannot be built")
    for link in ("lib", "lib64"):  # what Debian's base-files makes
        if not (root / link).exists():
            (root / link).symlink_to(f"usr/{link}")
    shutil.copytree(source, build, ignore=shutil.ignore_patterns(".git", "objs"))
    configure = "auto/configure" if (build / "auto/configure").exists() else "./configure"
    # gcc looks for libraries in its own folders first.
    _run("env", "-C", build, configure, *CONFIGURE.split(), f"--with-cc-opt=--sysroot={root}",
         f"--with-ld-opt=--sysroot={root} -L{root / LIBRARIES[1]}")  # fmt: skip
    _run("make", "-s", "-C", build, "-j2")
    (root / "usr/sbin").mkdir(parents=True, exist_ok=True)
    shutil.copy2(build / "objs/nginx", root / "usr/sbin/nginx")


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


def install(directory: Path, name: str, mirror: str | None = None, source: Path | None = None) -> None:
    """Install one generation unless it is there; ``source`` is nginx's, for those that are built. Raises Failure."""
    root = directory / name
    try:
        if not (root / "usr/sbin/nginx").exists():
            _unpack(name, root, mirror or _mirror(), source)
        _wrap(directory, name, root)
    except OSError as error:
        raise Failure(str(error)) from error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", metavar="DIR", type=Path)
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help=f"of {', '.join((*PACKAGES, *OPTIONAL))}; without any: all but {', '.join(OPTIONAL)}",
    )
    parser.add_argument("--mirror", help="the Debian mirror's address, if not the one that apt uses")
    parser.add_argument("--nginx-source", metavar="DIR", type=Path, help="nginx's source tree, for experimental")
    options = parser.parse_args()
    names = options.names or list(PACKAGES)
    if unknown := [n for n in names if n not in {*PACKAGES, *OPTIONAL}]:
        parser.error(f"no generation {unknown[0]!r}: known are {', '.join((*PACKAGES, *OPTIONAL))}")
    directory: Path = options.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for name, future in [
            (n, pool.submit(install, directory, n, options.mirror, options.nginx_source)) for n in names
        ]:
            try:
                future.result()
            except Failure as failure:
                print(f"{name}: {failure}", file=sys.stderr)
                failed = 1
    for generation in installed(directory):
        print(f"{generation.name:<12} nginx {generation.nginx_version:<8} OpenSSL {generation.openssl_version}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
