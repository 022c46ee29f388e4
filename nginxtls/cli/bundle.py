"""``nginxtls chain FILE --write FIXED``: a bundle in order and with its intermediates, from what is at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.errors import UsageError
from nginxtls.base.reading import read_regular
from nginxtls.base.writing import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from nginxtls.pki import Bundle, Certificate, TrustStore

SUFFIXES = (".pem", ".crt", ".cer", ".cert", ".ca-bundle")
MOST_FILES = 200
"""No more files of a folder are searched for intermediates."""


def write_fixed(
    bundle: Bundle,
    leaf: Certificate,
    target: str,
    trust: TrustStore,
    at: datetime,
    read: Callable[[str], bytes | None],
) -> str:
    """Write the corrected bundle; a sentence about it.

    The intermediates are those of the bundle, of the other PEM files in its folder and of the trust store. Nothing is
    fetched, and no key is written.

    Raises:
        UsageError: an intermediate is not at hand, or the target has a private key or cannot be written.
    """
    from nginxtls.pki.completion import MissingIssuer, complete, pem

    _refuse_key(target)
    try:
        fixed = complete(leaf, (*bundle.certificates, *_beside(bundle.name, read)), trust, at)
    except MissingIssuer as missing:
        where = f"download it from {missing.aia[0]}, " if missing.aia else ""
        help = f"{where}put it into the folder of {bundle.name} as PEM and run this again"
        raise UsageError(f"--write {target}", str(missing), help) from missing
    try:
        write_whole(Path(target), pem(fixed))
    except OSError as error:
        raise UsageError(f"--write {target}", f"cannot be written: {error.strerror}") from error
    return f"{target} has {len(fixed)} certificate{'s' * (len(fixed) != 1)}: " + ", ".join(
        certificate.subject_name for certificate in fixed
    )


def _refuse_key(target: str) -> None:
    """A file with a private key is not replaced by one without it."""
    if os.path.isdir(target) or not os.path.isdir(os.path.dirname(os.path.abspath(target))):
        raise UsageError(f"--write {target}", "cannot be written there", "name a file in a folder that exists")
    if os.path.lexists(target):
        if not os.path.isfile(target) or os.path.islink(target):
            raise UsageError(f"--write {target}", "is not a regular file", "name another file")
        if b"PRIVATE KEY-----" in _old(target):
            raise UsageError(f"--write {target}", "has a private key, which is never touched", "name another file")


def _old(target: str) -> bytes:
    from nginxtls.pki.pem import TOO_BIG

    try:
        return read_regular(target, TOO_BIG)
    except OSError as error:
        raise UsageError(f"--write {target}", f"cannot be read: {error.strerror}", "name another file") from error


def _beside(name: str, read: Callable[[str], bytes | None]) -> Iterator[Certificate]:
    """The certificates of the other PEM files in the folder of a bundle."""
    from nginxtls.pki import read_bundle

    folder = os.path.dirname(name) or "."
    try:
        names = sorted(entry for entry in os.listdir(folder) if entry.endswith(SUFFIXES))
    except OSError:
        return
    for entry in names[:MOST_FILES]:
        path = os.path.join(folder, entry)
        if path != name and (content := read(path)):
            yield from read_bundle(content, path).certificates
