"""The nginx that a machine's or an image's package database lists, and the OpenSSL that it runs with. Nothing is run.

dpkg, apk, and rpm where it keeps its database in SQLite (RHEL 9, Fedora 33, Amazon Linux 2023 and later).
"""

from __future__ import annotations

import gzip
import os
import re
import struct
import zlib
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple, pattern
from nginxtls.model.versions import distribution_package

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

LIMIT = 50_000_000
"""No database or changelog is read beyond this many bytes."""

DPKG, APK, RPM = (
    "var/lib/dpkg/status",
    ("usr/lib/apk/db/installed", "lib/apk/db/installed"),
    (
        "usr/lib/sysimage/rpm/rpmdb.sqlite",
        "var/lib/rpm/rpmdb.sqlite",
    ),
)
_BINARIES = ("nginx-core", "nginx-full", "nginx-light", "nginx-extras", "nginx")
"""The packages that hold the program, those of older Debian and Ubuntu first, which have an empty ``nginx`` beside."""

_LIBSSL = pattern(r"\blibssl[\w.]*")
_FLAW = pattern(r"CVE-\d{4}-\d{4,}")


class Package(NamedTuple):
    """An installed nginx: its full version, that of its OpenSSL, and what its changelog says."""

    nginx: str
    openssl: str | None
    manager: str
    """``dpkg``, ``apk`` or ``rpm``."""
    fixed: frozenset[str] = frozenset()
    """The CVE ids that its changelog names."""
    complete: bool = False
    """The changelog goes back to an older nginx, so that a flaw that it does not name is not fixed."""
    openssl_fixed: frozenset[str] = frozenset()
    """The CVE ids that the changelog of OpenSSL's package names."""
    openssl_complete: bool = False

    @property
    def distribution(self) -> str:
        """The version, if it is a distribution's package; else an empty text."""
        return distribution_package(self.nginx)


def installed_nginx(root: str = "/") -> Package | None:
    """The nginx in the package database below a folder, or None if there is none that can be read."""
    return _dpkg(root) or _apk(root) or _rpm(root)


def _inside(root: str, path: str) -> str | None:
    """The real path of a file below the root; links that lead out of it are not followed."""
    top = os.path.realpath(root)
    real = os.path.realpath(os.path.join(top, path))
    return real if os.path.commonpath((top, real)) == top and os.path.isfile(real) else None


def _read(root: str, path: str) -> bytes:
    real = _inside(root, path)
    if real is None:
        return b""
    try:
        with open(real, "rb") as stream:
            return stream.read(LIMIT)
    except OSError:
        return b""


def _paragraphs(text: str, mark: str) -> Iterator[dict[str, str]]:
    """The fields of each paragraph; lines that go on are left out."""
    for paragraph in text.split("\n\n"):
        fields = (line.partition(mark) for line in paragraph.split("\n") if line[:1] not in (" ", "\t"))
        yield {name: value.strip() for name, found, value in fields if found}


# -- Debian and Ubuntu -------------------------------------------------------------------------------------------------


def _dpkg(root: str) -> Package | None:
    text = _read(root, DPKG).decode("utf-8", "replace")
    packages = {
        fields["Package"]: fields
        for fields in _paragraphs(text, ":")
        if "Package" in fields and fields.get("Status", "").endswith(" installed")
    }
    depends = {name: packages[name].get("Depends", "") for name in _BINARIES if name in packages}
    name = next((name for name, needed in depends.items() if _LIBSSL.search(needed)), "")
    if not name:
        return None
    libraries = [word for word in _LIBSSL.findall(depends[name]) if word in packages]
    openssl = packages[libraries[0]]["Version"] if libraries else None
    version = packages[name]["Version"]
    fixed = _changelog(root, (name, "nginx-common", "nginx"), "nginx", version)
    library = _changelog(root, (*libraries[:1], "openssl"), "openssl", openssl or "")
    return Package(version, openssl, "dpkg", *fixed, *library)


def _changelog(root: str, folders: tuple[str, ...], source: str, version: str) -> tuple[frozenset[str], bool]:
    """The CVE ids in the changelog of a package, and whether it goes back to an older version of its source."""
    for folder in folders:
        packed = _read(root, f"usr/share/doc/{folder}/changelog.Debian.gz")
        if packed:
            break
    else:
        return frozenset(), False
    try:
        text = zlib.decompressobj(wbits=31).decompress(packed, LIMIT).decode("utf-8", "replace")
    except (zlib.error, gzip.BadGzipFile):
        return frozenset(), False
    entries = re.findall(rf"^{source} \(([^)\s]+)\)", text, re.MULTILINE)
    own = version in entries[:1]
    older = any(not entry.startswith(version.partition("-")[0] + "-") for entry in entries)
    return (frozenset(_FLAW.findall(text)), own and older) if own else (frozenset(), False)


# -- Alpine ------------------------------------------------------------------------------------------------------------


def _apk(root: str) -> Package | None:
    for path in APK:
        packages = {
            fields["P"]: fields.get("V", "")
            for fields in _paragraphs(_read(root, path).decode("utf-8", "replace"), ":")
            if "P" in fields
        }
        if "nginx" in packages:
            openssl = next((packages[name] for name in ("libssl3", "libssl1.1") if name in packages), None)
            return Package(packages["nginx"], openssl, "apk")
    return None


# -- Red Hat, Fedora, Amazon Linux -------------------------------------------------------------------------------------

_VERSION, _RELEASE, _EPOCH, _CHANGES = 1001, 1002, 1003, 1082
_INT32, _TEXTS = 4, (6, 8, 9)


def _rpm(root: str) -> Package | None:
    real = next((found for path in RPM if (found := _inside(root, path))), None)
    if real is None:
        return None
    import sqlite3
    from urllib.parse import quote

    try:
        database = sqlite3.connect(f"file:{quote(real)}?mode=ro&immutable=1", uri=True)
        try:
            headers = {name: _rpm_package(database, name) for name in ("nginx-core", "nginx", "openssl-libs")}
        finally:
            database.close()
    except (sqlite3.Error, struct.error, ValueError):
        return None
    nginx = headers["nginx-core"] or headers["nginx"]
    if nginx is None:
        return None
    library = headers["openssl-libs"]
    epoch = "".join(f"{number}:" for number in nginx.get(_EPOCH, ())[:1])
    version = f"{epoch}{nginx[_VERSION][0]}-{nginx[_RELEASE][0]}"
    fixed, openssl_fixed = (
        frozenset(_FLAW.findall("\n".join(map(str, header.get(_CHANGES, ()))) if header else ""))
        for header in (nginx, library)
    )
    openssl = str(library[_VERSION][0]) if library else None
    return Package(version, openssl, "rpm", fixed, openssl_fixed=openssl_fixed)


def _rpm_package(database: sqlite3.Connection, name: str) -> dict[int, list[object]] | None:
    row = database.execute(
        "SELECT blob FROM Packages JOIN Name ON Packages.hnum = Name.hnum WHERE Name.key = ?", (name,)
    ).fetchone()
    return None if row is None else _header(row[0])


def _header(blob: bytes) -> dict[int, list[object]]:
    """The tags of an rpm header: how many there are, the size of the data, an index, the data (lib/header.c)."""
    count, size = struct.unpack_from(">II", blob)
    data = blob[8 + 16 * count : 8 + 16 * count + size]
    found: dict[int, list[object]] = {}
    for number in range(count):
        tag, kind, offset, length = struct.unpack_from(">IIII", blob, 8 + 16 * number)
        if kind in _TEXTS:
            texts = data[offset:].split(b"\0", length)[:length]
            found[tag] = [text.decode("utf-8", "replace") for text in texts]
        elif kind == _INT32:
            found[tag] = list(struct.unpack_from(f">{length}I", data, offset))
    return found
