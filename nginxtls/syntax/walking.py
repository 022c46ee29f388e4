"""Walking a folder for files that may be nginx's: .gitignore honoured, vendored and hidden trees left out."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple, pattern
from nginxtls.base.limits import LIMITS
from nginxtls.syntax.files import PERMISSION, display_name, read_plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pathspec import GitIgnoreSpec

MAX_STARS = 3
"""The most asterisks in a part of a path; the time of a match grows with the length of the name to this power."""
MAX_ENTRIES = 500_000
"""A walk ends after so many files."""

_SKIPPED_FOLDERS = frozenset(
    "node_modules bower_components vendor third_party third-party __pycache__ site-packages venv env.bak target".split()
)
_TOOL_FOLDERS = pattern(
    r"\.(?:git|hg|svn|bzr|tox|nox|venv|virtualenv|idea|vscode|terraform|gradle|m2|npm|yarn|pnpm-store|eggs|bundle|next|nuxt"
    r"|direnv|cargo|rustup|local|config|ssh|gnupg|.*cache)\Z"
)
"""Hidden folders of tools; others may hold configurations (``.docker``, ``.platform``, ``.nginx``)."""
_TEMPLATE = (
    r"(?:\.(?:j2|jinja2?|erb|epp|tmpl|gotmpl|gtpl|tpl|template|ctmpl|mustache|hbs|liquid|sigil|in|dist|example|sample"
    r"|default|tera|envsubst))*"
)
_NAMED_SO = pattern(
    rf"(?:.*nginx.*\.conf|nginx\.conf.*?|.*\.(?:nginx|vhost|ngx)|[\w.-]*nginx[\w.-]*?|mime\.types){_TEMPLATE}\Z",
    re.IGNORECASE,
)
_NAMED_IN_FOLDER = pattern(rf"(?:.*\.conf{_TEMPLATE}|.*\.(?:j2|jinja2?|erb|epp|tmpl|ctmpl|template))\Z", re.IGNORECASE)
_NAMED_MAYBE = pattern(
    r".*\.(?:conf|conf\.\w+|inc|vhost|nginx|types|j2|jinja2?|erb|epp|tmpl|gotmpl|gtpl|tpl|template|ctmpl|mustache|hbs"
    r"|liquid|sigil|sample|example|dist|default|in|snippet|location|server|site|com|net|org|de|io|dev|local|test|TXT|txt"
    r"|acl|dump|server_conf|sme|sp|nosp|http|stream|params|tera)\Z"
    r"|[^.]+\Z|[\w.-]+_(?:location|location_override|params)\Z"
)
_NGINX_FOLDER = pattern(
    r"(?:^|/)(?:[\w.-]*nginx[\w.-]*|conf\.d|sites-(?:enabled|available)|snippets|vhosts?(?:\.d)?|http\.d|stream\.d)(?:/|\Z)",
    re.IGNORECASE,
)
_CONTAINER = pattern(
    r"(?:.*\.ya?ml|(?:.*[.-])?(?:Docker|Container)file(?:[.-].*)?)(?:\.(?:j2|tpl|tmpl|erb))?\Z", re.IGNORECASE
)
_NEVER_ENDING = pattern(
    r"(?:py|rb|go|js|mjs|ts|tsx|c|h|cc|cpp|hpp|rs|java|php|pl|pm|lua|css|scss|less|html?|xml|svg|json|toml|lock|md|rst"
    r"|sh|bash|zsh|bat|ps1|sql|csv|tsv|pem|crt|key|csr|der|p12|pfx|png|jpe?g|gif|ico|woff2?|ttf|eot|zip|gz|xz|bz2|tar|pdf|so"
    r"|o|a|pyc|class|jar|exe|dll|log|diff|patch|swp|bak|orig|rej|old|dpkg-\w+|rpm\w+|pp|properties|gradle|kt|swift|vim)\Z",
    re.IGNORECASE,
)
_NEVER_NAMED = pattern(
    r"(?:LICEN[CS]E|NOTICE|README|CHANGELOG|Makefile|Gemfile|Rakefile|Vagrantfile|COPYING|AUTHORS)[\w.-]*\Z|.*~\Z",
    re.IGNORECASE,
)


class Candidate(NamedTuple):
    """A file to look at. ``requested``: it was named. ``named_so``: its path says that it is nginx's."""

    path: str
    requested: bool = False

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def container(self) -> bool:
        """Its name is that of a file which may hold configurations inside: YAML, or the like of a Dockerfile."""
        name = self.name.lower()
        return ("ml" in name or "file" in name) and _CONTAINER.match(name) is not None

    @property
    def certain(self) -> bool:
        """Its path says nginx."""
        folder, name = os.path.split(self.path)
        if self.container:
            return False
        return _NAMED_SO.match(name) is not None or (
            _NAMED_IN_FOLDER.match(name) is not None and _NGINX_FOLDER.search(folder) is not None
        )


def is_nginx_folder(path: str) -> bool:
    """Whether the path of a folder says that nginx's files are in it."""
    return _NGINX_FOLDER.search(path) is not None


def walk(top: str, left: list[tuple[str, str]]) -> Iterator[Candidate]:
    """The files below a folder that may be nginx's by their names, in order. Skipped files are added to ``left``."""
    entries = 0
    pending = [(top, _ignores_above(top))]
    while pending:
        folder, ignores = pending.pop()
        try:
            with os.scandir(folder) as scan:
                found = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            left.append((display_name(folder), PERMISSION if isinstance(error, PermissionError) else "cannot be read"))
            continue
        if any(entry.name == ".gitignore" for entry in found) and (own := _ignore_file(folder)):
            ignores = [*ignores, (folder, own)]
        below: list[tuple[str, list[tuple[str, GitIgnoreSpec]]]] = []
        for entry in found:
            entries += 1
            name = entry.name
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
            except OSError:
                continue
            if ignores and _ignored(entry.path, is_folder, ignores):
                left.append((display_name(entry.path) + "/" * is_folder, "ignored by .gitignore"))
            elif is_folder:
                if name in _SKIPPED_FOLDERS or _TOOL_FOLDERS.match(name):
                    if name != ".git":
                        left.append((display_name(entry.path) + "/", "a tool's" if name[0] == "." else "vendored"))
                else:
                    below.append((entry.path, ignores))
            elif name.startswith(".") and name.endswith(".conf"):
                left.append((display_name(entry.path), "hidden"))
            elif _wanted(entry, name):
                yield Candidate(entry.path)
        if entries > MAX_ENTRIES:
            left.append((display_name(folder) + "/", f"more than {MAX_ENTRIES:,} files"))
            return
        pending += reversed(below)


def _wanted(entry: os.DirEntry[str], name: str) -> bool:
    if name.startswith(".") or (_is_never(name) and not _CONTAINER.match(name)):
        return False
    if not (
        _NAMED_MAYBE.match(name) or _NAMED_SO.match(name) or _CONTAINER.match(name) or _NGINX_FOLDER.search(entry.path)
    ):
        return False
    try:
        return entry.is_symlink() or entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def _is_never(name: str) -> bool:
    _, dot, ending = name.rpartition(".")
    return bool((dot and _NEVER_ENDING.match(ending)) or _NEVER_NAMED.match(name))


def _ignore_file(folder: str, name: str = ".gitignore") -> GitIgnoreSpec | None:
    from pathspec import GitIgnoreSpec

    content = read_plain(folder, name, 1_000_000)
    if content is None:
        return None
    # One that takes too long to match ignores nothing: more is checked, not less.
    patterns = [line for line in content.decode("utf-8", "replace").splitlines() if quick(line)]
    try:
        return GitIgnoreSpec.from_lines(patterns[: LIMITS["ignored"]])
    except ValueError:
        return None


def quick(pattern: str) -> bool:
    """Whether matching a pattern of paths takes little time: a name's length to the power of a few asterisks."""
    return len(pattern) <= LIMITS["pattern"] and all(part.count("*") <= MAX_STARS for part in pattern.split("/"))


def _ignores_above(top: str) -> list[tuple[str, GitIgnoreSpec]]:
    """The .gitignore files between a folder and the root of its repository."""
    above: list[str] = []
    current = top
    while not os.path.exists(f"{current}/.git"):
        parent = os.path.dirname(current)
        if parent == current:
            return []
        current = parent
        above.append(current)
    places = [(current, ".git/info/exclude"), *((place, ".gitignore") for place in reversed(above))]
    return [
        (place, spec)
        for place, name in places
        if os.path.isfile(f"{place}/{name}") and (spec := _ignore_file(place, name)) is not None
    ]


def _ignored(path: str, is_folder: bool, ignores: list[tuple[str, GitIgnoreSpec]]) -> bool:
    """The last .gitignore that says anything of a path decides."""
    for folder, spec in reversed(ignores):
        result = spec.check_file(path[len(folder) + 1 :] + "/" * is_folder)
        if result.include is not None:
            return result.include
    return False
