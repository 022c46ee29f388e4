"""Settings: ``.nginxtls.yaml`` or ``[tool.nginxtls]`` in pyproject.toml, checked key by key, with their JSON schema."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nginxtls.base.errors import UsageError, nearest
from nginxtls.base.lazy import NamedTuple
from nginxtls.base.limits import LIMITS
from nginxtls.base.reading import read_regular
from nginxtls.base.secrets import hide_in_data
from nginxtls.base.yaml_text import NotYamlError, read_yaml
from nginxtls.finding import Severity
from nginxtls.syntax.walking import MAX_STARS, quick

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = ".nginxtls.yaml"
"""The largest settings file that is read, in bytes."""

STORES = ("system", "mozilla", "none")
"""Trust stores that are not files."""

_T = TypeVar("_T")


class Settings(NamedTuple):
    """The settings of a run. Paths are absolute; ``file`` is the settings file, or None."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_path_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    severity: tuple[tuple[str, str], ...] = ()
    min_severity: str = "note"
    fail_on: str = "warning"
    pedantic: bool = False
    nginx_version: str | None = None
    openssl_version: str | None = None
    versions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    policy: tuple[str, ...] = ()
    map: tuple[tuple[str, str], ...] = ()
    trust: tuple[str, ...] = ()
    expiry_days: int | None = None
    baseline: str | None = None
    file: Path | None = None

    def replace(self, **changes: object) -> Settings:
        """A copy with some keys changed; ``None`` leaves a key as it is."""
        return self._replace(**{key: value for key, value in changes.items() if value is not None})  # type: ignore[arg-type]


KEYS = {
    "select": ("words", "Run only these rules: names, topics or patterns with *."),
    "ignore": ("words", "Do not run these rules: names, topics or patterns with *."),
    "per-path-ignores": (
        "words by pattern",
        "Rules to ignore in files that match a pattern (as in .gitignore).",
    ),
    "severity": ("severity by name", "Another severity for a rule: error, warning or note."),
    "min-severity": ("severity", "Only report findings of at least this severity."),
    "fail-on": ("severity", "Exit with code 1 on findings of at least this severity."),
    "pedantic": ("switch", "Also run rules that give hardening advice."),
    "nginx-version": ("text", "The nginx version to assume, such as 1.26.3, or a package's version."),
    "openssl-version": ("text", "The OpenSSL version to assume, such as 3.5.1."),
    "versions": (
        "words by pattern",
        "The nginx version, then the OpenSSL version, of main files and dumps that match a pattern (as in .gitignore).",
    ),
    "policy": ("names or paths", "Also check every endpoint against these policies: names or files."),
    "map": ("path by path", "Map a path of the server to a local one: /etc/nginx: deploy/nginx."),
    "trust": ("paths", "PEM files with more trust anchors; system; none to trust nothing else."),
    "expiry-days": (
        "days",
        "Report certificates with fewer days left, and less than a third of their lifetime. Default: 30, or a third of "
        "a lifetime of up to 100 days.",
    ),
    "baseline": ("path", "The file of known findings, which are not reported."),
}
"""The keys of the settings file: the kind of value (see ``_KINDS``) and a description."""


def find_settings(start: Path) -> Path | None:
    """The nearest settings file from a folder up to its repository's root; without a repository, only in the folder."""
    folder = start if os.path.isdir(start) else start.parent
    folders = [folder, *folder.parents]
    for above, candidate in enumerate(folders):
        if os.path.exists(candidate / ".git"):
            return next(filter(None, map(_settings_in, folders[: above + 1])), None)
    return _settings_in(folder)


def read_settings(path: Path, *, trusted: bool = False) -> Settings:
    """Read and check a settings file. Unless ``trusted`` (named by the user), its paths must stay in its folder.

    Raises:
        UsageError: it cannot be read, or has an unknown key, a value of the wrong kind or a path outside its folder.
    """
    return Settings(file=path, **changes_in(_read(path), path, trusted=trusted))  # type: ignore[arg-type]


def changes_in(table: Mapping[str, object], path: Path, *, trusted: bool) -> dict[str, object]:
    """The fields of ``Settings`` that a table of keys sets; paths are relative to the folder of ``path``.

    Raises:
        UsageError: as ``read_settings``.
    """
    changes: dict[str, object] = {}
    for key, value in table.items():
        if key not in KEYS:
            raise UsageError(
                f"{path}", f'unknown key "{key}"', nearest(str(key), KEYS) or f"known keys: {', '.join(KEYS)}"
            )
        reader = _Reader(path, str(key), trusted)
        changes[key.replace("-", "_")] = reader.read(KEYS[key][0], value)
    return changes


def is_path(policy: str) -> bool:
    """Whether a policy is given by its file and not by its name."""
    return "/" in policy or policy.endswith((".json", ".yaml", ".yml"))


def schema() -> dict[str, Any]:
    """The JSON schema of ``.nginxtls.yaml``, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of nginxtls",
        "type": "object",
        "additionalProperties": False,
        "properties": {key: {**_KINDS[kind], "description": description} for key, (kind, description) in KEYS.items()},
    }


_WORDS = {"type": ["array", "string"], "items": {"type": "string"}}
_SEVERITY = {"enum": [str(severity) for severity in reversed(Severity)]}
_KINDS: Mapping[str, dict[str, Any]] = {
    "words": _WORDS,
    "paths": _WORDS,
    "words by pattern": {"type": "object", "additionalProperties": _WORDS},
    "severity by name": {"type": "object", "additionalProperties": _SEVERITY},
    "path by path": {"type": "object", "additionalProperties": {"type": "string"}},
    "severity": _SEVERITY,
    "switch": {"type": "boolean"},
    "text": {"type": ["string", "number"]},
    "days": {"type": "integer", "minimum": 0},
    "path": {"type": "string"},
    "names or paths": _WORDS,
}


class _Reader:
    """Converts the value of one key to that of ``Settings``, or raises a ``UsageError``."""

    def __init__(self, file: Path, key: str, trusted: bool) -> None:
        self.file, self.key, self.trusted = file, key, trusted

    def read(self, kind: str, value: object) -> object:
        match kind:
            case "words":
                return self.words(value)
            case "paths":
                return tuple(word if word in STORES else self.path(word) for word in self.words(value))
            case "words by pattern":
                return tuple((self.pattern(text), self.words(words)) for text, words in self.table(value))
            case "severity by name":
                return tuple((name, self.severity(word)) for name, word in self.table(value))
            case "path by path":
                return tuple((there, self.path(self.text(here))) for there, here in self.table(value))
            case "severity":
                return self.severity(value)
            case "switch":
                return self.expect(value, bool, "true or false")
            case "days":
                return self.days(value)
            case "path":
                return self.path(self.text(value))
            case "names or paths":
                return tuple(self.path(name) if is_path(name) else name for name in self.words(value))
            case _:
                return self.text(value)

    def expect(self, value: object, kind: type[_T], expected: str) -> _T:
        if not isinstance(value, kind):
            raise UsageError(
                f"{self.file}", f'"{self.key}" must be {expected}', "see `nginxtls rules --settings-schema`"
            )
        return value

    def text(self, value: object) -> str:
        return self.expect(value, str, "a text")

    def words(self, value: object) -> tuple[str, ...]:
        if isinstance(value, str):
            return (value,)
        return tuple(self.text(word) for word in self.expect(value, list, "a list of texts"))

    def table(self, value: object) -> list[tuple[str, object]]:
        return [(self.text(key), entry) for key, entry in self.expect(value, dict, "a table").items()]

    def severity(self, value: object) -> str:
        if value not in _SEVERITY["enum"]:
            raise UsageError(f"{self.file}", f'"{self.key}": "{value}" is not a severity', "use error, warning or note")
        return str(value)

    def days(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10_000:
            raise UsageError(f"{self.file}", f'"{self.key}" must be a number of days', "use a whole number such as 21")
        return value

    def pattern(self, text: str) -> str:
        """A pattern of paths as in ``.gitignore``, of which matching takes little time."""
        from pathspec import GitIgnoreSpec

        problem = ""
        if not quick(text):
            problem = f"has more than {MAX_STARS} asterisks in one part of the path"
        try:
            GitIgnoreSpec.from_lines([text])
        except (ValueError, re.error):
            problem = "is not a pattern of paths as in .gitignore"
        if problem:
            raise UsageError(f"{self.file}", f'"{self.key}": the pattern {text!r} {problem}', "correct the pattern")
        return text

    def path(self, text: str) -> str:
        if "\0" in text:
            raise UsageError(f"{self.file}", f'"{self.key}": a path has a NUL character', "correct the path")
        folder = os.path.realpath(self.file.parent)
        path = os.path.realpath(os.path.join(folder, text))
        if not self.trusted and os.path.commonpath((folder, path)) != folder:
            raise UsageError(
                f"{self.file}",
                f'"{self.key}": {text} is outside the folder of this file',
                "set it on the command line, or select this file with `--config`",
            )
        return path


def _settings_in(folder: Path) -> Path | None:
    if _is_file(file := folder / FILE):
        return file
    if _is_file(file := folder / "pyproject.toml") and b"[tool.nginxtls" in _bytes(file):
        return file
    return None


def _is_file(file: Path) -> bool:
    if os.path.islink(file) and os.path.dirname(os.path.realpath(file)) != os.path.realpath(file.parent):
        raise UsageError(f"{file}", "is a symbolic link to another folder", "select the file with `--config`")
    return os.path.isfile(file)


def _read(path: Path) -> dict[str, Any]:
    data = _bytes(path)
    try:
        text = data.decode()
        table = _toml(text) if path.suffix == ".toml" else read_yaml(text) or {}
    except Exception as error:
        raise UsageError(
            f"{path}", f"cannot be read: {_one_line(error)}", "fix the file, or add `--no-config`"
        ) from error
    if not isinstance(table, dict):
        raise UsageError(f"{path}", "must be a table of keys and values", "see `nginxtls rules --settings-schema`")
    return table


def _toml(text: str) -> object:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    table: object = hide_in_data(tomllib.loads(text))
    for key in ("tool", "nginxtls"):
        table = table.get(key, {}) if isinstance(table, dict) else {}
    return table


def _bytes(path: Path) -> bytes:
    try:
        return read_regular(path, LIMITS["settings"])
    except OSError as error:
        raise UsageError(
            f"{path}", f"cannot be read: {error.strerror}", "fix the file, or add `--no-config`"
        ) from error


def _one_line(error: Exception) -> str:
    """The problem and its line, without the text of the file."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    place = f"line {error.line}: " if isinstance(error, NotYamlError) and error.line else ""
    return place + " ".join(str(error).split())[:200]
