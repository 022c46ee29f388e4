"""The sandbox: the only door to the disk for what a configuration names.

A path in a configuration is nginx's, not ours: it may live under another root, be mapped, or be elsewhere in the
repository. Whatever it says, nothing is opened outside of the allowed folders, and nothing that is not a regular file.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.base.limits import LIMITS
from nginxtls.syntax.dumps import is_dump
from nginxtls.syntax.payloads import is_payload
from nginxtls.syntax.rendering import FOLDER as TEMPLATES
from nginxtls.syntax.rendering import SCRIPT, Rendering
from nginxtls.syntax.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LIMIT, DUMP_LIMIT, TOTAL_LIMIT = LIMITS["file"], LIMITS["dump"], LIMITS["read"]
"""Bytes of a file, of a dump of ``nginx -T``, and of all files of a run. In memory a text becomes many times larger."""

CONF_FOLDERS = (
    "/etc/nginx",
    "/usr/local/nginx/conf",
    "/usr/local/etc/nginx",
    "/usr/local/openresty/nginx/conf",
    "/opt/nginx/conf",
    "/opt/homebrew/etc/nginx",
    "/usr/share/nginx/conf",
    "/etc/openresty",
)
"""Where builds of nginx keep their configuration."""

MAX_LINKS = 40
"""A path of more symbolic links is a loop, as to Linux."""

PATH_MAX = 4096
"""No path of more characters is looked for: Linux takes none of more bytes."""

MAGIC = re.compile(r"[*?\[]")
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
_HEAD = 65_536
"""So much of a file shows whether it is a dump."""


class Unreachable(NamedTuple):
    """A path that could not be read, and why, in words for people."""

    path: str
    reason: str
    exists: bool = False
    """It is there, but must not or cannot be read."""

    def __bool__(self) -> bool:
        return False


class Found(NamedTuple):
    """A file that an include names: its path as nginx would build it, and where it really is."""

    nginx_path: str
    path: str


class Files:
    """Finds and reads what configurations name.

    ``allowed``: files and folders that may be read. ``root``: a mounted image or chroot in which nginx's paths lie.
    ``maps``: pairs of a path as nginx knows it and the folder that holds it here. ``limit``: the largest file in bytes.
    """

    def __init__(
        self,
        allowed: Sequence[Path | str],
        *,
        root: Path | str | None = None,
        maps: Sequence[tuple[str, Path | str]] = (),
        limit: int = LIMIT,
        total_limit: int = TOTAL_LIMIT,
    ) -> None:
        self.root = os.path.realpath(root) if root is not None else None
        self._root_as_given = os.path.abspath(root) if root is not None else ""
        self._is_local = self.root == "/"
        if self._is_local:  # the local configuration: all paths are what they say
            self.root = None
            allowed = ("/",)
        self.maps = sorted(
            ((prefix.rstrip("/") or "/", self._named(folder)) for prefix, folder in maps),
            key=lambda pair: -len(pair[0]),
        )
        self.allowed = [self._named(path) for path in allowed]
        self.limit = limit
        self.total_limit = total_limit
        self.total = 0
        self.text_left, self.directives_left, self.names_left = (LIMITS[n] for n in ("text", "directives", "names"))
        self._open_folders = tuple(
            {*self.allowed, *(folder for _, folder in self.maps), *([self.root] if self.root else [])}
        )
        self._everything = "/" in self._open_folders
        self._real_folders: dict[str, str] = {}
        self._guesses: dict[tuple[str, str], str] = {}
        self._hints: dict[str, None] = {}
        self._located: dict[tuple[str, str | None], str | Unreachable] = {}
        self._contents: dict[str, bytes | Unreachable] = {}
        self._mounts: list[tuple[str, str, str]] = []
        self.rendering = Rendering()
        """What the containers of the tree make of templates."""
        self._index: dict[str, list[str]] | None = None
        if self.root and isinstance(self.real(self.root + SCRIPT), str):
            self._note_templates("", self.root, "the image", {})

    @property
    def hints(self) -> tuple[str, ...]:
        """Mappings that were found automatically, each a sentence for the summary."""
        return tuple(self._hints)

    def elsewhere(self) -> Files:
        """The same for a configuration of another machine: only the root and the maps lead anywhere."""
        root = "/" if self._is_local else self.root
        return Files([], root=root, maps=self.maps, limit=self.limit, total_limit=self.total_limit)

    # -- paths ------------------------------------------------------------------------------------------------------

    def locate(self, nginx_path: str, base: str | None = None) -> Path | Unreachable:
        """Where a path of a configuration really is. ``base`` is the folder that relative paths start from."""
        found = self._locate(nginx_path, base)
        return found if isinstance(found, Unreachable) else Path(found)

    def _locate(self, nginx_path: str, base: str | None) -> str | Unreachable:
        key = (nginx_path, base)
        located = self._located.get(key)
        if located is None:
            located = self._located[key] = self._look_for(nginx_path, base)
        return located

    def _look_for(self, nginx_path: str, base: str | None) -> str | Unreachable:
        if not nginx_path or "\0" in nginx_path:
            return Unreachable(nginx_path, "not a path")
        if UNKNOWN in nginx_path:
            guess = self._guess(nginx_path, base)
            return guess or Unreachable(nginx_path, "its path is unknown")
        first: Unreachable | None = None
        for candidate in self._candidates(nginx_path, base):
            real = self.real(candidate)
            if isinstance(real, str):
                return real
            if first is None or (real.exists and not first.exists):
                first = real
        if (first is None or not first.exists or first.reason == OUTSIDE) and (guess := self._guess(nginx_path, base)):
            return guess
        if first is None:
            return Unreachable(nginx_path, _MISSING)
        return Unreachable(nginx_path, first.reason, first.exists)

    def _candidates(self, nginx_path: str, base: str | None) -> Iterator[str]:
        """The places where a path may be, the surest first."""
        if not nginx_path.startswith("/"):
            if base is None:
                return
            if not self._under_root(base):
                yield os.path.join(base, nginx_path)
                return
            nginx_path = os.path.join(base, nginx_path)
            if self.root and _inside(nginx_path, self.root):
                yield nginx_path
                return
        for prefix, folder in self.maps:
            if _inside(nginx_path, prefix):
                yield folder + "/" + nginx_path[len(prefix.rstrip("/")) :].lstrip("/")
        if self.root:
            yield f"{self.root}/{nginx_path}"
        elif self._open_folders:
            yield nginx_path

    def _under_root(self, base: str) -> bool:
        """Whether a base folder is a path as nginx knows it, to be mapped, and not a folder of this machine."""
        return (
            bool(self.root or self.maps) and not any(_inside(base, folder) for folder in self._open_folders)
        ) or bool(self.root and _inside(base, self.root))

    @property
    def sees_machine(self) -> bool:
        """The whole file system of the server, or its image, may be read."""
        return self.root is not None or "/" in self.allowed

    @property
    def is_partial(self) -> bool:
        """The root is a copy of a part of a file system: it has no ``/usr``, where nginx itself would be."""
        return self.root is not None and not os.path.isdir(f"{self.root}/usr")

    def holds(self, path: str) -> bool:
        """Whether a path of this machine is one of the machine, or in the image, that the configuration is for."""
        return self._in_root(path) is not None if self.root else self._everything

    def nginx_path(self, path: str, base: str) -> str:
        """A path of a configuration in full, as nginx has it."""
        full = os.path.normpath(os.path.join(base, path))
        return full if path.startswith("/") else self._in_root(full) or full

    def _resolve(self, path: str) -> str:
        """A path with its links resolved: those in the root as in a chroot, others as on this machine."""
        if self._in_root(path) is None:
            return os.path.realpath(path)
        return self._follow(path)[0]

    def _named(self, path: Path | str) -> str:
        """The place of a path that is given, with its links resolved; itself if they are a loop."""
        full = os.path.abspath(path)
        try:
            return self._resolve(full)
        except OSError:
            return full

    def _in_root(self, path: str) -> str | None:
        """What a path of this machine is called in the root, or None if it is not in the root."""
        for root in (self.root, self._root_as_given) if self.root else ():
            if root and _inside(path, root):
                return path[len(root) :] or "/"
        return None

    def _follow(self, path: str) -> tuple[str, str]:
        """Follow a path component by component; neither links nor ``..`` lead out of the root.

        Returns:
            the real path, and the target of the link on which a component is missing (empty: none is, or no link is
            to blame).

        Raises:
            OSError: ELOOP, as the kernel raises it.
        """
        inner = self._in_root(path)
        top = "" if inner is None or self.root is None else self.root
        done = top
        pending = [(part, "") for part in reversed((path if inner is None else inner).split("/"))]
        links = 0
        missing = ""
        while pending:
            part, target = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = os.path.dirname(done) if len(done) > len(top) else top
                continue
            step = f"{done}/{part}"
            try:
                link = os.readlink(step)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    missing = missing or target
                done = step
                continue
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if link.startswith("/"):
                done = top
            pending += ((part, link) for part in reversed(link.split("/")))
        return done or "/", missing

    def real(self, path: str) -> str | Unreachable:
        """The real path of an existing thing inside the allowed folders."""
        if len(path) > PATH_MAX:
            return Unreachable(path[:100] + "…", "longer than the path limit")
        if "\0" in path:
            return Unreachable(path, "not a path")
        folder, _, leaf = path.rpartition("/")
        try:
            if leaf in ("", ".", "..") or not folder:
                real = self._resolve(path)
            else:
                real_folder = self._real_folders.get(folder)
                if real_folder is None:
                    real_folder = self._real_folders[folder] = self._resolve(folder)
                real = f"{real_folder.rstrip('/')}/{leaf}"
            if not self.allows(real):
                real = self._resolve(real)  # a link may still lead inside
                if not self.allows(real):
                    return Unreachable(path, OUTSIDE, True)
            mode = os.lstat(real).st_mode
            if stat.S_ISLNK(mode):
                real = self._resolve(real)
                if not self.allows(real):
                    return Unreachable(path, OUTSIDE, True)
                os.stat(real)
        except OSError as error:
            if error.errno == errno.ENOENT:
                target = self._follow(path)[1]
                return Unreachable(path, f"a link to {target}, which does not exist" if target else _MISSING)
            if error.errno == errno.ELOOP:
                return Unreachable(path, "a symbolic link loop")
            return Unreachable(path, _reason(error), not isinstance(error, NotADirectoryError))
        return real

    def allows(self, real: str) -> bool:
        """Whether a real path lies in what may be read."""
        return self._everything or any(_inside(real, folder) for folder in self._open_folders)

    def folder(self, path: str) -> str | None:
        """The folder at a path of this machine, or None if there is none; one in the root by its real path."""
        path = os.path.abspath(path)
        if self._in_root(path) is None:
            return path if os.path.isdir(path) else None
        real = self.real(path)
        return real if isinstance(real, str) and os.path.isdir(real) else None

    def link_target(self, path: str, base: str) -> str | Unreachable:
        """Where the absolute link at a path of a repository leads on its server: ``sites-enabled/x`` to its site."""
        try:
            target = os.readlink(path)
        except OSError:
            target = ""
        return self._locate(target, base) if target.startswith("/") else Unreachable(path, _MISSING)

    # -- reading ----------------------------------------------------------------------------------------------------

    def read(self, nginx_path: str, base: str | None = None) -> bytes | Unreachable:
        """The content of a regular file. Kept, so that a file named often is read once."""
        located = self._locate(nginx_path, base)
        if isinstance(located, Unreachable):
            return located
        content = self._contents.get(located)
        if content is None:
            content = self._contents[located] = self.read_real(located)
        return content

    def read_real(self, path: str) -> bytes | Unreachable:
        """The content of a located file; not kept."""
        try:
            mode = os.lstat(path).st_mode  # to open a device may do something
            if not stat.S_ISREG(mode):
                return Unreachable(path, _kind(mode), True)
            handle = os.open(path, _FLAGS)
            try:
                status = os.fstat(handle)
                limit = self.limit
                if limit < status.st_size <= DUMP_LIMIT:
                    head = os.pread(handle, _HEAD, 0).decode("latin-1")
                    limit = DUMP_LIMIT if is_dump(head) or is_payload(head) else limit
                if status.st_size > limit:
                    allowed = f"{_size(limit)}, {_size(DUMP_LIMIT)} for a dump of nginx -T"
                    return Unreachable(path, f"{_size(status.st_size)} large; the limit is {allowed}", True)
                if self.total + status.st_size > self.total_limit:
                    return Unreachable(path, f"more than {_size(self.total_limit)} in one run", True)
                # One byte more than it has: a regular file that gives less is at its end. /proc has no sizes.
                size = status.st_size + 1 if status.st_size else 65_536
                content = chunk = os.read(handle, size)
                while chunk and (len(chunk) == size or not status.st_size):
                    if len(content) > limit:
                        return Unreachable(path, f"larger than {_size(limit)}", True)
                    chunk = os.read(handle, size)
                    content += chunk
            finally:
                os.close(handle)
        except FileNotFoundError:
            return Unreachable(path, _MISSING)
        except OSError as error:
            return Unreachable(path, _reason(error), True)
        self.total += len(content)
        return content

    def refuse_text(self, path: str, text: str) -> Unreachable | None:
        """Count a text that is to be parsed; the reason why it must not be, if there is too much by now."""
        if len(text) > self.text_left:
            return Unreachable(path, f"more than {_size(LIMITS['text'])} of configurations in one run", True)
        directives = text.count(";") + text.count("{")
        if directives > self.directives_left:
            return Unreachable(path, f"more than {LIMITS['directives']:,} directives in one run", True)
        self.text_left -= len(text)
        self.directives_left -= directives
        return None

    def stat(self, nginx_path: str, base: str | None = None) -> os.stat_result | Unreachable:
        """The status of a file, links followed."""
        located = self._locate(nginx_path, base)
        if isinstance(located, Unreachable):
            return located
        try:
            return os.stat(located)
        except OSError as error:
            return Unreachable(nginx_path, _reason(error), True)

    # -- includes ---------------------------------------------------------------------------------------------------

    def expand(self, pattern: str, base: str | None = None) -> list[Found] | Unreachable:
        """The files that an include names, in nginx's order: that of their bytes. A pattern may match nothing."""
        found = self._expand(pattern, base)
        rendered = [Found(path, real) for path, real in self.rendering.outputs(pattern, base) if self.allows(real)]
        if not rendered:
            return found
        others = [] if isinstance(found, Unreachable) else found
        written = {path for path, _ in rendered}
        kept = (entry for entry in others if os.path.join("/etc/nginx", entry.nginx_path) not in written)
        return sorted((*kept, *rendered), key=lambda entry: os.fsencode(entry.nginx_path))

    def _expand(self, pattern: str, base: str | None) -> list[Found] | Unreachable:
        """The same for what is there before any container starts."""
        if not MAGIC.search(pattern):
            located = self._locate(pattern, base)
            return [Found(pattern, located)] if isinstance(located, str) else located
        *parents, leaf = pattern.split("/")
        head = 0
        while head < len(parents) and not MAGIC.search(parents[head]):
            head += 1
        folder = "/".join(parents[:head]) or ("/" if pattern.startswith("/") else ".")
        located = self._locate(folder, base)
        if isinstance(located, Unreachable):
            # Where the whole machine can be seen, a folder that is not there has no files.
            return [] if (self.root or self._everything) and not located.exists else located
        level: Iterable[Found] = [Found("" if folder == "." else folder.rstrip("/") + "/", located)]
        unreadable: list[Found] = []
        for part in (*parents[head:], leaf):
            matches: list[Found] = []
            wanted = re.compile(fnmatch.translate(part.replace("[^", "[!"))).match
            for prefix, path in level:
                try:
                    names = os.listdir(path)
                except OSError as error:
                    if isinstance(error, PermissionError):  # nginx, started as root, can
                        return Unreachable(pattern, f"{display_name(path)}: {PERMISSION}", True)
                    continue
                self.names_left -= len(names)
                if self.names_left < 0:
                    why = f"the patterns of this run look at more than {LIMITS['names']:,} names"
                    return Unreachable(pattern, why, True)
                for name in names:
                    if (not name.startswith(".") or part.startswith(".")) and wanted(name):
                        matches.append(Found(prefix + name, f"{path}/{name}"))  # noqa: PERF401
            # Not made before it is walked through: what the last part matches need not be looked at.
            level = self._folders_among(matches, unreadable)
        matches += unreadable
        matches.sort(key=lambda found: os.fsencode(found.nginx_path))
        return matches

    def _folders_among(self, found: Sequence[Found], unreadable: list[Found]) -> Iterator[Found]:
        """The folders in which a pattern goes on; those that must not be looked into are ``unreadable``."""
        for nginx_path, path in found:
            real = self.real(path)
            if isinstance(real, str):
                if os.path.isdir(real):
                    yield Found(nginx_path + "/", real)
            elif real.exists:
                unreadable.append(Found(nginx_path, path))

    # -- what containers say ----------------------------------------------------------------------------------------

    def hint(self, there: str, here: Sequence[str], origin: str, environment: Iterable[tuple[str, str]] = ()) -> None:
        """Note that a container finds at a path what is at the first of these; used where nothing surer is known.

        Where the path ends with a slash, a file is found in it by its own name. ``environment``: the container's.
        """
        real = next((real for path in here if isinstance(real := self.real(path), str)), None)
        if real is not None and len(self._mounts) < 1000:
            name = f"/{os.path.basename(real)}" if there.endswith("/") and not os.path.isdir(real) else ""
            self._mounts.append((there.rstrip("/") + name, real, origin))
            self._note_templates(there.rstrip("/") + name, real, origin, dict(environment))

    def _note_templates(self, there: str, real: str, origin: str, environment: dict[str, str]) -> None:
        """Note templates that a container has at a path, or in the folder for them below it."""
        folder = environment.get("NGINX_ENVSUBST_TEMPLATE_DIR", TEMPLATES)
        if there != folder and _inside(folder, there):
            inner = self.real(real + folder[len(there) :])
            if isinstance(inner, str) and os.path.isdir(inner):
                self.rendering.mount(folder, inner, origin, environment)
        else:
            self.rendering.mount(there, real, origin, environment)

    def mounts_below(self, folder: str) -> bool:
        """Whether a container of the tree has something at a path or in it, absolute or relative to /etc/nginx."""
        folder = os.path.join("/etc/nginx", folder)
        return any(_inside(there, folder) for there, _, _ in self._mounts)

    def _mounted(self, nginx_path: str, base: str | None) -> str | None:
        """What containers of the tree have at a path: the longest mount first, of those the nearest to the base."""
        fitting = [mount for mount in self._mounts if _inside(nginx_path, mount[0])]
        fitting.sort(key=lambda mount: (-len(mount[0]), -len(os.path.commonpath([mount[1], base or "/"]))))
        for there, here, origin in fitting:
            real = self.real(here + nginx_path[len(there) :])
            if isinstance(real, str):
                if len(self._hints) < 20:
                    self._hints[f"using {display_name(here)} for {there}, from {origin}"] = None
                return real
        return None

    # -- guesses ----------------------------------------------------------------------------------------------------

    def _guess(self, nginx_path: str, base: str | None) -> str | None:
        """The file in the tree whose path ends most like the wanted one: at least its folder and its name."""
        if self._everything or self.root or not self.allowed:
            return None
        known = nginx_path.rpartition(UNKNOWN)[2]
        whole = known == nginx_path
        if whole and not nginx_path.startswith("/"):
            return None
        if not whole and "/" not in known:
            return None
        parts = [part for part in (known if whole else known.partition("/")[2]).split("/") if part]
        if not parts or ".." in parts:
            return None
        if self._mounts and whole and (mounted := self._mounted(nginx_path, base)):
            return mounted
        key = ("/".join(nginx_path.split("/")[:-1]), base or "")
        conf_folder = next((folder for folder in CONF_FOLDERS if _inside(nginx_path, folder)), None)
        if conf_folder and base and nginx_path != conf_folder:
            # The folder of the main file is that of nginx.
            suffix = nginx_path[len(conf_folder) + 1 :]
            real = self.real(f"{base}/{suffix}")
            if isinstance(real, str):
                return self._remember(nginx_path, suffix, real, key)
        if folder := self._guesses.get(key):
            real = self.real(f"{folder}/{parts[-1]}")
            if isinstance(real, str):
                return real
        for length in range(len(parts), 0, -1):
            suffix = "/".join(parts[-length:])
            if length == 1 and os.path.dirname(nginx_path) not in CONF_FOLDERS and whole:
                break
            for folder in self._ancestors(base):
                real = self.real(f"{folder}/{suffix}")
                if isinstance(real, str) and (length > 1 or folder == base):
                    return self._remember(nginx_path, suffix, real, key)
            if length > 1 and len(same := self._same_suffix(suffix, base if length == 2 else None)) == 1:
                real = self.real(same[0])
                if isinstance(real, str):
                    return self._remember(nginx_path, suffix, real, key)
        return None

    def _remember(self, nginx_path: str, suffix: str, real: str, key: tuple[str, str]) -> str:
        """Note a guess: the same folder is then looked in first, and the report has it as a hint."""
        self._guesses[key] = os.path.dirname(real)
        whole = next((folder for folder in CONF_FOLDERS if _inside(nginx_path, folder)), None)
        if whole and real.endswith(nginx_path[len(whole) :]):
            suffix = nginx_path[len(whole) + 1 :]
        there = nginx_path.removesuffix(suffix).rstrip("/").replace(UNKNOWN, "…")
        here = real.removesuffix(suffix).rstrip("/")
        if there and len(self._hints) < 20:
            self._hints[f"using {display_name(here) or '/'} for {there}"] = None
        return real

    def _ancestors(self, base: str | None) -> Iterator[str]:
        """The base folder and those above it, as far as they may be read."""
        folder = os.path.realpath(base) if base else ""
        while folder and self.allows(folder):
            yield folder
            if (parent := os.path.dirname(folder)) == folder:
                return
            folder = parent

    def _same_suffix(self, suffix: str, base: str | None) -> list[str]:
        """The things in the tree whose paths end so; with ``base`` only those in the same one of the top's folders."""
        if self._index is None:
            self._index = {}
            count = 0
            for top in self.allowed:
                for folder, folders, names in os.walk(top):
                    folders[:] = [name for name in folders if name not in (".git", "node_modules")]
                    for name in (*names, *folders):
                        self._index.setdefault(name, []).append(f"{folder}/{name}")
                    count += len(names)
                    if count > LIMITS["index"]:
                        self._index = {}
                        return []
        found = [path for path in self._index.get(suffix.rpartition("/")[2], ()) if path.endswith("/" + suffix)]
        if base is None:
            return found
        near = {f"{top}/{base[len(top) + 1 :].partition('/')[0]}" for top in self.allowed if _inside(base, top)}
        return [path for path in found if any(_inside(path, folder) for folder in near)]


def read_plain(folder: str, name: str, limit: int) -> bytes | None:
    """The content of a tool's file in a folder, cut at a limit in bytes; None if it is not there, a link or no file."""
    path = os.path.join(os.path.realpath(folder), name)
    try:
        if os.path.realpath(path) != path or not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        with open(os.open(path, _FLAGS), "rb") as file:
            return file.read(limit)
    except OSError:
        return None


PERMISSION = "permission denied"
"""The reason of what another user, such as root, could read."""
FOLDER = "a folder"
"""The beginning of the reason of a path that names one."""
OUTSIDE = "outside the folders that may be read"
"""The reason of a path that is not in the allowed folders, whether there is anything or not."""
_MISSING = "no such file"


def display_name(path: str, here: str = "") -> str:
    """A path as shown to people: relative to ``here`` (or the working directory) if it is inside."""
    here = here or os.getcwd()
    if path == here:
        return "."
    return path[len(here) + 1 :] if path.startswith(here + "/") else path


def _inside(path: str, folder: str) -> bool:
    return path == folder or folder == "/" or path.startswith(folder + "/")


def _reason(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return PERMISSION
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return _MISSING
    if isinstance(error, IsADirectoryError):
        return FOLDER
    text = os.strerror(error.errno) if error.errno else str(error)
    return text[:1].lower() + text[1:]


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: FOLDER,
        stat.S_IFIFO: "a named pipe",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "not a regular file") + ", not a regular file"


def _size(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
