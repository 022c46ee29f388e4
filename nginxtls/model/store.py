"""The files that a configuration names: read through one door, each once, and noted where they cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from nginxtls.base.memo import Memo
from nginxtls.syntax.files import FOLDER, Unreachable
from nginxtls.syntax.places import Location, NotChecked
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nginxtls.pki import Bundle, CRLs, DHParameters, PrivateKey, Response
    from nginxtls.syntax.files import Files
    from nginxtls.syntax.tree import Directive

_IN_A_LINE = ("truncated", "bad-base64", "glued", "blanks", "escaped", "indented", "bom")
"""The kinds of damage that a line has."""
SCHEMES = ("data:", "engine:", "store:")
MOST_NAMES = 300
"""Names of a server, or that a map forwards, that are looked at by themselves: a map is read anew for each."""
T = TypeVar("T")


def _of_variables(directive: Directive) -> str:
    """Why a path with variables could not be read: nginx evaluates those of certificates, but not in mail."""
    outermost = directive
    while outermost.parent is not None:
        outermost = outermost.parent
    if outermost.name != "mail" and "ssl_certificate" in directive.name:
        return "its path has variables, which nginx evaluates at each handshake"
    return "its path has a $, and nginx expands no variables there"


def is_file(path: str) -> bool:
    """A path that names a file, not a variable, inline data or another store."""
    return "$" not in path and not path.startswith(SCHEMES)


class Store:
    """Reads what directives name through ``files``, and nothing before it is requested.

    ``base`` is the folder that relative paths start from. ``memo`` keeps what several servers share.
    """

    def __init__(self, files: Files | None = None, base: str | None = None) -> None:
        self.files = files
        self.base = base
        self.memo = Memo()
        self.recent = Memo(4096)
        """What is the same for neighbours only."""
        self.common = Memo()
        """What is the same in every build of nginx: shared by the configurations of all builds in question."""
        self._unchecked: dict[tuple[str, str], NotChecked] = {}

    def sibling(self) -> Store:
        """A store for the same configuration in another build: it reads and notes the same, and keeps its own memo."""
        other = Store(self.files, self.base)
        other._unchecked, other.common = self._unchecked, self.common
        return other

    def forget(self) -> None:
        """Drop what was worked out; it is not used any more."""
        for memo in (self.memo, self.recent, self.common):
            memo.clear()

    @property
    def not_checked(self) -> list[NotChecked]:
        """What could not be read so far, each once."""
        return list(self._unchecked.values())

    def tried(self, names: Sequence[T], line: Directive, subject: str) -> Sequence[T]:
        """The first of many names (see ``MOST_NAMES``); if there are more, the line is reported as not checked."""
        if len(names) > MOST_NAMES:
            self.unchecked(subject, f"only the first {MOST_NAMES} names are tried", line)
        return names[:MOST_NAMES]

    def unchecked(self, subject: str, reason: str, place: Directive | Location | None = None) -> None:
        """Note something that could not be looked at."""
        if place is not None and not isinstance(place, Location):
            place = Location(place.file, place.span)
        self._unchecked.setdefault((subject, reason), NotChecked(subject, reason, place))

    def read(self, path: str, directive: Directive) -> tuple[bytes | None, str]:
        """The content of a file that the configuration names, or None and why not."""
        if UNKNOWN in path:
            reason = "its path is set by a template"
        elif "$" in path:
            reason = _of_variables(directive)
            if path.startswith("$ssl_certificate_by_lua"):
                reason = "Lua code chooses it at each handshake"
        elif not is_file(path):
            reason = f"it is not a file but {path.partition(':')[0]}:"
        elif self.files is None:
            reason = "files are not read"
        else:
            content = self.files.read(path, self.base)
            if isinstance(content, bytes):
                return content, ""
            reason = content.reason
        shown = "an inline certificate or key" if path.startswith("data:") else directive.written(path)
        self.unchecked(shown, reason, directive)
        return None, reason

    def is_missing(self, path: str) -> bool:
        """It is known to be no file, as the whole machine (or its image) may be looked at: nothing, or a folder."""
        if self.files is None or not self.sees_machine or UNKNOWN in path or "$" in path or not is_file(path):
            return False
        found = self.files.read(path, self.base)
        return not isinstance(found, bytes) and not (found.exists and not found.reason.startswith(FOLDER))

    def missing_as(self, path: str) -> str:
        """How a missing file is missing: it does not exist, is a link to what does not exist, or is a folder."""
        found = self.files.read(path, self.base) if self.files is not None else b""
        if isinstance(found, Unreachable) and found.reason.startswith(FOLDER):
            return f"is {FOLDER}"
        return f"is {found.reason}" if isinstance(found, Unreachable) and "link" in found.reason else "does not exist"

    def failure(self, path: str) -> str:
        """Why nginx loads nothing from a missing file: ``no such file`` or ``is a directory``."""
        return "is a directory" if self.missing_as(path).endswith(FOLDER) else "no such file"

    @property
    def sees_machine(self) -> bool:
        """All of the machine that the configuration is for, or its image, may be looked at."""
        return self.files is not None and self.files.sees_machine

    def was_read(self, path: str) -> bool:
        """The file could be read."""
        return self.files is not None and isinstance(self.files.read(path, self.base), bytes)

    def read_bundle(self, path: str, directive: Directive, *, skips_bom: bool = True) -> tuple[Bundle | None, str]:
        """The certificates in a file, or None and why it could not be read."""
        content, reason = self.read(path, directive)
        if content is None:
            return None, reason
        from nginxtls.pki import read_bundle

        return read_bundle(content, path, skips_bom=skips_bom), ""

    def read_key(
        self, path: str, directive: Directive, password_files: Sequence[Directive] = (), *, skips_bom: bool = True
    ) -> tuple[PrivateKey | None, str]:
        """A private key, decrypted by the first password file that can be read, or None and why not."""
        content, reason = self.read(path, directive)
        if content is None:
            return None, reason
        from nginxtls.pki import KeyProblem, read_key

        found = read_key(content, self._passwords(password_files), skips_bom=skips_bom)
        if isinstance(found, KeyProblem):
            if found.kind == "unknown-key":
                self.unchecked(path, found.message, directive)
            return None, found.message + (f" (line {found.line})" if found.kind in _IN_A_LINE else "")
        return found, ""

    def _passwords(self, password_files: Sequence[Directive]) -> tuple[bytes, ...]:
        for directive in password_files:
            content, _ = self.read(directive.args[0], directive) if directive.args else (None, "")
            if content is not None:
                return tuple(line.rstrip(b"\r") for line in content.split(b"\n") if line)
        return ()

    def read_crl(self, directive: Directive) -> CRLs | None:
        """The revocation lists in the file of an ssl_crl, or None if it could not be read."""
        content, _ = self.read(directive.args[0], directive)
        if content is None:
            return None
        from nginxtls.pki import read_crl

        return read_crl(content)

    def read_ocsp(self, path: str, directive: Directive) -> tuple[Response | None, str]:
        """The OCSP response in a file for ssl_stapling_file, or None and why there is none."""
        content, reason = self.read(path, directive)
        if content is None:
            return None, reason
        from nginxtls.pki import Response, read_ocsp

        found = read_ocsp(content)
        if not isinstance(found, Response):
            return None, found.message
        if not found.decoded:
            self.unchecked(path, "an OCSP response of an unsupported type", directive)
        return found, ""

    def dhparam_bits(self, path: str, directive: Directive | None) -> int | None:
        """The size of a DH parameter file in bits; 2048 is assumed where it could not be read."""
        if directive is None:
            return None
        found = self.dhparam(path, directive)
        return found.bits if found is not None else None if self.was_read(path) else 2048

    def dhparam(self, path: str, directive: Directive) -> DHParameters | None:
        """The DH parameters in a file, or None if it could not be read or has none."""
        return self.memo(("dhparam", path), lambda: self._read_dhparam(path, directive))

    def _read_dhparam(self, path: str, directive: Directive) -> DHParameters | None:
        content, _ = self.read(path, directive)
        if content is None:
            return None
        from nginxtls.pki import DHParameters, read_dhparam

        found = read_dhparam(content)
        return found if isinstance(found, DHParameters) else None
