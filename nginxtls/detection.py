"""Which nginx and OpenSSL configurations are for: given, detected on this machine or in a root, or not known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.errors import UsageError
from nginxtls.base.lazy import NamedTuple
from nginxtls.model.facts import UNKNOWN_VERSIONS, Provenance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nginxtls.linting.settings import Settings
    from nginxtls.model import NginxVersion
    from nginxtls.model.packages import Package
    from nginxtls.syntax import SourceFile
    from nginxtls.syntax.containers.images import Named
    from nginxtls.tls import OpenSSL

AUTO = "auto"


class Versions(NamedTuple):
    """The versions that are known, and why."""

    nginx: NginxVersion | None = None
    openssl: OpenSSL | None = None
    provenance: Provenance = UNKNOWN_VERSIONS


def found_versions(paths: Sequence[str], settings: Settings, root: str | None) -> Versions:
    """What the options and settings give, and for the rest what can be detected.

    In a root it is what its package database says. On this machine, for its own configuration or with ``auto``, it is
    its package database, or ``nginx -V`` if nginx is not from a package.

    Raises:
        UsageError: a version is not one, or ``auto`` finds none.
    """
    given = settings.nginx_version if settings.nginx_version != AUTO else None
    library = settings.openssl_version if settings.openssl_version != AUTO else None
    auto = AUTO in (settings.nginx_version, settings.openssl_version)
    if given or (library and not auto):
        package = _package_of(given) if given else ""
        source = "given" if given and library else ""
        return Versions(nginx_version(given), openssl_version(library), Provenance(source, package))
    in_root = root is not None and os.path.realpath(root) != "/"
    if not (auto or in_root or of_this_machine(paths)):
        return Versions()
    try:
        found = _in_root(root) if in_root and root is not None else local_versions()
    except UsageError:
        if auto:
            raise
        return Versions()
    if not in_root:
        found = found._replace(provenance=found.provenance._replace(local=True))
    return found._replace(openssl=openssl_version(library)) if library else found


_LAST = {20: 2, 21: 6, 22: 1, 23: 4, 24: 0, 25: 5, 26: 3, 27: 5, 28: 3, 29: 8}
"""The last release of each branch 1.x that has ended (nginx.org/en/CHANGES): what a tag such as ``1.26`` is now."""


def for_configuration(
    known: Versions, settings: Settings, main: SourceFile, top: str | None, images: dict[str, Named]
) -> Versions:
    """The versions of one configuration, by its main file: those that the settings have for its path, else those known,
    else that of the one nginx image that its repository (``top``) names. ``images`` keeps what folders name.

    Raises:
        UsageError: the settings hold something else than a version.
    """
    if (given := _by_path(settings, main)) is not None:
        return given
    if known.provenance.local and settings.nginx_version is None and not of_this_machine([main.path or main.name]):
        return Versions()  # found in a folder above that of the local nginx
    if known.nginx is not None or main.path is None or top is None:
        return known
    from nginxtls.syntax.containers.images import image_for

    found = image_for(main.path, top, images)
    if found is None:
        return known
    from nginxtls.model import NginxVersion

    image, text, file = found
    nginx = NginxVersion.parse(text)
    if text.count(".") == 1:
        if (last := _LAST.get(nginx.numbers[1])) is None:
            return known  # a branch that still moves
        nginx = NginxVersion((*nginx.numbers[:2], last))
    return known._replace(nginx=nginx, provenance=Provenance(f"likely, image {image} in {file}", likely=True))


def _by_path(settings: Settings, main: SourceFile) -> Versions | None:
    """The versions that the settings have for a main file, or for the dump that holds it."""
    if not settings.versions:
        return None
    from pathspec import GitIgnoreSpec

    inside = f":{main.nginx_path}" if main.path is None and main.nginx_path else ""
    path = os.path.abspath(main.path or main.name.removesuffix(inside))
    name = os.path.relpath(path, settings.file.parent if settings.file else None)
    for pattern, texts in settings.versions:
        if GitIgnoreSpec.from_lines([pattern]).match_file(name):
            words = " ".join(texts).replace(",", " ").split()
            if len(words) not in (1, 2):
                reason = f'"versions": "{pattern}" needs the version of nginx, and may have that of OpenSSL'
                raise UsageError(str(settings.file), reason, "write it as [1.22.1, 3.0.20]")
            nginx, openssl = nginx_version(words[0]), openssl_version(words[1] if len(words) > 1 else None)
            return Versions(nginx, openssl, Provenance("given in the settings", _package_of(words[0])))
    return None


def of_this_machine(paths: Sequence[str]) -> bool:
    """Whether the paths are the local nginx configuration: a folder that nginx is installed with, in it or above it."""
    from nginxtls.syntax.files import CONF_FOLDERS

    places = [Path(os.path.abspath(path)) for path in paths if path != "-"] or [Path.cwd()]
    return all(
        any(
            place.is_relative_to(folder) or (Path(folder).is_relative_to(place) and os.path.isdir(folder))
            for folder in CONF_FOLDERS
        )
        for place in places
    )


def _in_root(root: str) -> Versions:
    from nginxtls.model.packages import installed_nginx

    package = installed_nginx(root)
    if package is None:
        raise UsageError("--nginx-version auto", f"no package database in {root} lists nginx", _GIVE)
    return _of_package(package, f"detected from {package.manager} in {root}")


def local_versions() -> Versions:
    """The versions of this machine's nginx and of the OpenSSL that it runs with.

    ``nginx -V`` is the only program that is ever run, and only where nginx is not the one of a package.

    Raises:
        UsageError: there is no nginx, or it does not name its version.
    """
    import re
    import subprocess

    from nginxtls.base.programs import program as find_program
    from nginxtls.model import NginxVersion
    from nginxtls.model.packages import installed_nginx

    program = find_program("nginx", "/usr/sbin", "/usr/local/sbin", "/usr/local/nginx/sbin")
    packaged = program is None or os.path.realpath(program) in ("/usr/sbin/nginx", "/usr/bin/nginx")
    if packaged and (package := installed_nginx()) is not None:
        return _of_package(package, f"detected from {package.manager}")
    if program is None:
        raise UsageError("--nginx-version auto", "there is no nginx on PATH", _GIVE)
    try:
        done = subprocess.run(
            [program, "-V"], capture_output=True, text=True, errors="replace", timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError("--nginx-version auto", f"{program} -V failed: {type(error).__name__}") from error
    nginx = re.search(r"nginx/(\d+\.\d+\.\d+)", done.stderr)
    if nginx is None:
        raise UsageError("--nginx-version auto", f"{program} -V names no version", _GIVE)
    # "running with" is printed where the library is not the one that nginx was built with.
    openssl = re.search(r"running with OpenSSL (.+)", done.stderr) or re.search(r"built with OpenSSL (.+)", done.stderr)
    return Versions(
        NginxVersion.parse(nginx[1]),
        openssl_version(openssl[1] if openssl else None),
        Provenance(f"detected from {program} -V", open_source="nginx-plus" not in done.stderr),
    )


def _of_package(package: Package, source: str) -> Versions:
    try:
        nginx, openssl = nginx_version(package.nginx), openssl_version(package.openssl)
    except UsageError as error:
        raise UsageError(
            "--nginx-version auto", f"the package's version {package.nginx!r} is not known", _GIVE
        ) from error
    provenance = Provenance(
        source,
        package.distribution,
        package.fixed,
        package.complete,
        open_source=True,  # the package of NGINX Plus has another name
        openssl_package=package.openssl or "",
        openssl_fixed=package.openssl_fixed,
        openssl_complete=package.openssl_complete,
    )
    return Versions(nginx, openssl, provenance)


_GIVE = "give the version, e.g. 1.26.3"


def _package_of(text: str) -> str:
    from nginxtls.model.versions import distribution_package

    return distribution_package(text)


def nginx_version(text: str | None) -> NginxVersion | None:
    """The nginx version that a text is, None for None; UsageError if it is none."""
    if text is None:
        return None
    from nginxtls.model import NginxVersion

    try:
        return NginxVersion.parse(text)
    except ValueError as error:
        raise UsageError("--nginx-version", str(error)) from error


def openssl_version(text: str | None) -> OpenSSL | None:
    """The OpenSSL version that a text is, None for None; UsageError if it is none."""
    if text is None:
        return None
    from nginxtls.tls import OpenSSL

    try:
        return OpenSSL.parse(text)
    except ValueError as error:
        raise UsageError("--openssl-version", str(error)) from error
