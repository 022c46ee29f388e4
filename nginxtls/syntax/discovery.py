"""Discovery: which files of the requested paths are nginx configurations, and which of them belong together."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from nginxtls.base.lazy import pattern
from nginxtls.base.secrets import hide
from nginxtls.syntax.decoding import decode
from nginxtls.syntax.dumps import failure_of, is_dump, split_dump
from nginxtls.syntax.expansion import bound_includes
from nginxtls.syntax.files import PERMISSION, Unreachable, display_name
from nginxtls.syntax.fragments import classify, is_nginx, is_script, may_be_nginx
from nginxtls.syntax.payloads import is_payload, read_payload
from nginxtls.syntax.places import Failure, NotChecked
from nginxtls.syntax.reading import MAX_INCLUDE_DEPTH, Reader, follow_in_dump, source
from nginxtls.syntax.stock import is_stock
from nginxtls.syntax.tree import Directive, Gap, Problem, SourceFile, Tree
from nginxtls.syntax.use import unused_among
from nginxtls.syntax.walking import Candidate, is_nginx_folder, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from nginxtls.syntax.containers import Extract
    from nginxtls.syntax.files import Files
    from nginxtls.syntax.fragments import Context, Kind
    from nginxtls.syntax.reading import KeptFiles

_LIKE_SNIPPET = b"snippet"

SUDO = "run it as root: `sudo nginx -T | nginxtls check -`"
AS_ROOT = "run nginxtls as a user with read permission, such as root: `sudo nginxtls ...`"

MANY = 1_000
"""Of files beyond these the directives are dropped until their configuration is looked at: of 100,000 sites, each a
configuration of its own, they would take 700 MB. To parse a file once more takes a tenth of what its check takes."""

MAX_ANCESTORS = 8
"""How many folders upward a fragment's main file is looked for."""

_MAIN_NAMES = pattern(r"nginx\.conf(?:\.[a-z0-9]+){0,2}\Z", re.IGNORECASE)
_MAIN_PLACES = (
    "nginx conf config docker docker/nginx deploy deploy/nginx etc/nginx files/etc/nginx rootfs/etc/nginx".split()
)
"""Where main files are in the folders above a fragment, besides these folders themselves."""
_PARTS = frozenset(
    "conf.d sites-enabled sites-available sites snippets servers server.d http.d stream.d streams-enabled vhosts "
    "vhost.d vhosts.d includes include conf-enabled conf-available modules-enabled default.d location.d "
    "locations".split()
)
"""Folders beside the main file with parts of its configuration."""


class LoadedTree:
    """An independent configuration.

    ``kind`` is its completeness, ``context`` the block that a fragment belongs in, ``base`` the folder that
    its relative paths start from, ``files`` are all of its files, ``requested`` those to report about, ``named`` those
    of them that were named themselves.

    The tree of a fragment is made by ``reader`` of its only root when it is needed, and again after ``forget``.
    """

    __slots__ = ("_reader", "_tree", "base", "context", "enabled", "files", "from_dump", "kind", "named", "requested")

    def __init__(
        self,
        tree: Tree | None,
        kind: Kind,
        context: Context,
        base: str,
        requested: set[SourceFile],
        *,
        files: Sequence[SourceFile] = (),
        reader: Reader | None = None,
        from_dump: bool = False,
        named: Collection[SourceFile] = (),
        enabled: bool = True,
    ) -> None:
        self._tree, self._reader = tree, reader
        self.kind = kind
        self.context = context
        self.base = base
        self.files = tree.files if tree is not None else files
        self.requested = requested
        self.from_dump = from_dump
        self.named = named
        self.enabled = enabled
        """False for a file of this server or checkout that no main file includes, and that was not named."""

    @property
    def main(self) -> SourceFile:
        """The file that nginx, or whoever requested it, starts from."""
        return self._tree.roots[0] if self._tree is not None else self.files[0]

    @property
    def tree(self) -> Tree:
        """The directives of its files."""
        if self._tree is None:
            assert self._reader is not None
            self._tree = self._reader.tree([self.main], self.base)
        return self._tree

    def forget(self) -> None:
        """Drop what can be made again: the tree of a fragment, and the directives of its root."""
        if self._reader is not None and self._tree is not None:
            self._tree = None
            self._reader.forget(self.main)

    def part(self, tree: Tree, requested: set[SourceFile]) -> LoadedTree:
        """The same configuration with fewer files."""
        return LoadedTree(
            tree,
            self.kind,
            self.context,
            self.base,
            requested,
            from_dump=self.from_dump,
            named=self.named,
            enabled=self.enabled,
        )

    def in_order(self, files: Collection[SourceFile]) -> list[SourceFile]:
        """Some of its files in the order of the tree, as a set has them in that of their addresses."""
        return [file for file in self.files if file in files]


class Sources:
    """What was found at the requested paths; each of them is in one of these lists."""

    def __init__(self) -> None:
        self.trees: list[LoadedTree] = []
        self.failures: list[Failure] = []
        self.skipped: list[NotChecked] = []
        self.taken: list[str] = []
        """The files that are linted, by name."""
        self.left: list[tuple[str, str]] = []
        """The skipped files and folders, and why."""


def discover(
    paths: Sequence[str],
    *,
    stdin_text: str | None = None,
    files: Files,
    instead: Mapping[str, str] | None = None,
    kept: KeptFiles | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Sources:
    """Find and read the configurations at the paths: files, folders, dumps, and ``-`` for the text of standard input.

    A named file is always read; one that is not an nginx file is skipped silently (it is in ``left``). A folder is
    searched. Each file is parsed once, and linted in the configuration that includes it, where there is one.
    ``instead``: texts that replace the content of files, by real path. ``kept``: files that earlier runs have parsed.
    """
    return _Discovery(files, instead, kept, progress).run(paths, stdin_text)


class _Discovery:
    def __init__(
        self,
        files: Files,
        instead: Mapping[str, str] | None,
        kept: KeptFiles | None,
        progress: Callable[[str, int, int], None],
    ) -> None:
        self.progress = progress
        self.files = files
        self.reader = Reader(files, instead=instead, kept=kept)
        self.sources = Sources()
        self.requested: dict[SourceFile, str] = {}
        """The files to report about, with their real paths."""
        self.named: set[SourceFile] = set()
        """Those of them that were named themselves."""
        self.trees: dict[SourceFile, Tree] = {}
        self.kinds: dict[SourceFile, tuple[Kind, Context]] = {}
        """Of files whose directives were dropped."""
        self.doubtful: dict[SourceFile, str] = {}
        """Files that do not read like nginx's, with their real paths; one that is included is nginx's all the same."""
        self.extracted: list[Extract] = []
        """Configurations inside other files."""

    def run(self, paths: Sequence[str], stdin_text: str | None) -> Sources:
        for path in dict.fromkeys(paths):
            if path == "-":
                self.take_text(stdin_text or "")
            elif (folder := self.files.folder(path)) is not None:
                self.take_folder(folder)
            else:
                self.take_file(Candidate(os.path.abspath(path), requested=True))
        self.build_trees()
        self.sources.taken = list(
            dict.fromkeys(
                file.name for loaded in self.sources.trees for file in loaded.files if file in loaded.requested
            )
        )
        return self.sources

    # -- taking files -----------------------------------------------------------------------------------------------

    def take_text(self, text: str) -> None:
        if not text.strip():
            help = "`nginx -T` prints nothing if its test fails, such as without permission to read keys: " + SUDO
            self.sources.failures.append(Failure("standard input", "empty, so there is nothing to check", help=help))
            return
        if self.failed_run("standard input", text):
            return
        if (refused := self.files.refuse_text("standard input", text)) is not None:
            self.sources.failures.append(Failure("standard input", refused.reason))
            return
        if is_dump(text):
            self.take_dump("-", text)
            return
        if is_payload(text):
            self.take_payload("-", text)
            return
        file = source("-", text)
        kind, context = classify(file)
        base = os.getcwd()
        tree = self.reader.tree([file], base)
        self.sources.trees.append(LoadedTree(tree, kind, context, base, {file}))

    def take_folder(self, folder: str) -> None:
        left: list[tuple[str, str]] = []
        candidates = list(walk(folder, left))
        if (display_name(folder), PERMISSION) in left:
            self.sources.failures.append(Failure(display_name(folder), PERMISSION, help=AS_ROOT))
            return
        for entry in left:
            if entry[1] != PERMISSION or not (self.files.sees_machine or is_nginx_folder(entry[0])):
                self.sources.left.append(entry)
            else:
                self.sources.skipped.append(NotChecked(*entry))
        # First what names the places of files; then main files, for what they include needs no second look.
        candidates.sort(key=lambda candidate: (not candidate.container, not _is_main(candidate.name)))
        for number, candidate in enumerate(candidates):
            self.progress("reading", number, len(candidates))
            self.take_file(candidate)

    def take_file(self, candidate: Candidate) -> None:
        path = candidate.path
        read = self.reader.parsed.get(path)
        located = read.path if isinstance(read, SourceFile) and read.path else self.files.real(path)
        if isinstance(located, Unreachable):
            target = self.files.link_target(path, os.path.dirname(path))
            if isinstance(target, Unreachable):
                self.refuse(candidate, located)
                return
            located = target
        if located in self.reader.parsed:
            known = self.reader.parsed[located]
            if isinstance(known, SourceFile):
                self.requested.setdefault(known, located)
                if candidate.requested:
                    self.named.add(known)
            return
        given = self.reader.instead.get(located)
        content = self.files.read_real(located) if given is None else given.encode("utf-8", "surrogatepass")
        if isinstance(content, Unreachable):
            self.refuse(candidate, content)
            return
        name = display_name(path)
        if candidate.container:
            self.take_container(candidate, name, located, content)
            return
        if (
            candidate.requested
            and b"test failed" in content
            and self.failed_run(name, content.decode("utf-8", "replace"))
        ):
            return
        if _is_empty(content):
            self.skip(candidate, "empty")
            return
        if is_script(content):
            self.skip(candidate, "not nginx")
            return
        named_payload = candidate.requested and is_payload(content[:200].decode("latin-1"))
        if not (
            named_payload or may_be_nginx(content) or candidate.certain or (candidate.requested and b"\0" in content)
        ):
            self.skip(candidate, "not nginx")
            return
        text, problem = decode(content) if given is None else (given, "")
        if text is None:
            if candidate.requested or candidate.certain or problem.startswith("it is UTF-16"):
                self.refuse(candidate, Unreachable(path, problem, True))
            else:
                self.skip(candidate, problem)
            return
        if (refused := self.files.refuse_text(path, text)) is not None:
            self.refuse(candidate, refused)
            return
        if is_dump(text):
            self.take_dump(name, text)
            return
        if named_payload:
            self.take_payload(name, text)
            return
        file = self.reader.parse(located, text, problem)
        if not is_nginx(file) and not (candidate.certain and is_nginx(file, named_so=True)):
            self.doubtful[file] = located
            if candidate.requested:
                self.named.add(file)
            self.skip(candidate, "not nginx")
            return
        self.requested[file] = located
        if candidate.requested:
            self.named.add(file)
        if _is_main(candidate.name):
            self.tree_of(file)
        elif len(self.requested) > MANY:
            self.kinds[file] = classify(file)
            self.reader.forget(file)

    def kind_of(self, file: SourceFile) -> tuple[Kind, Context]:
        """What ``classify`` says of a file."""
        return self.kinds.get(file) or classify(file)

    def failed_run(self, name: str, text: str) -> bool:
        """Whether a text is the output of an ``nginx -T`` that failed; noted as a failure."""
        said = failure_of(text)
        if said is None:
            return False
        denied = "permission denied" in said.lower()
        help = SUDO if denied else "fix this first: nginx does not start; until then, check the files themselves"
        self.sources.failures.append(
            Failure(name, f"`nginx -T` failed and printed no configuration: {said}", help=help)
        )
        return True

    def take_container(self, candidate: Candidate, name: str, located: str, content: bytes) -> None:
        """A manifest, Compose file or Dockerfile: its contents, and where it puts files."""
        said = b"nginx" in content or _LIKE_SNIPPET in content
        text = decode(content)[0] if said or may_be_nginx(content) else None
        if text is None:
            return
        from nginxtls.syntax.containers import environment, extract, path_maps

        for there, here, variables in path_maps(text, located):
            self.files.hint(there, here, name, variables)
        self.files.rendering.note(environment(text, located))
        found = extract(name, text, located)
        self.extracted += found
        if not found and said:
            self.skip(candidate, "contains no nginx configuration")

    def refuse(self, candidate: Candidate, why: Unreachable) -> None:
        """Report a file that cannot be read: a failure if it was requested by name, else not checked."""
        name = display_name(candidate.path)
        if candidate.requested:
            reason = why.reason
            help = AS_ROOT if why.reason == PERMISSION else ""
            self.sources.failures.append(
                Failure(
                    name,
                    reason if why.reason != "no such file" else "no such file or folder",
                    help="lint its parts separately" if "the limit is" in reason else help,
                )
            )
        elif (candidate.certain or why.exists) and not is_stock(candidate.path):
            self.sources.skipped.append(NotChecked(name, why.reason))
        else:
            self.sources.left.append((name, why.reason))

    def skip(self, candidate: Candidate, reason: str) -> None:
        self.sources.left.append((display_name(candidate.path), reason))

    def take_dump(self, name: str, text: str) -> None:
        """The configurations of a dump, each host's by itself; the second and later ones are numbered in the names."""
        line = counted = hosts = 0
        for dumped in split_dump(text):
            files: list[SourceFile] = []
            for entry in dumped:
                line += text.count("\n", counted, entry.start)
                counted = entry.start
                file = source(entry.path, text[entry.start : entry.end], known=self.reader.known)
                file.nginx_path = hide(entry.path)  # a dump may say anything there
                file.outer = (name, line)
                files.append(file)
            hosts = self.take_hosts(name, files, hosts)

    def take_payload(self, name: str, text: str) -> None:
        """The configuration of a payload of crossplane. Its places are those of the files that crossplane read."""
        try:
            entries = read_payload(text)
        except ValueError as error:
            self.sources.failures.append(Failure(name, str(error)))
            return
        files: list[SourceFile] = []
        for path, written, errors in entries:
            file = source(path, written, known=self.reader.known)
            file.nginx_path = hide(path if path.startswith("/") else f"{os.getcwd()}/{path}")
            file.outer = (hide(path), 0)
            file.problems += (Problem(error, fatal=False) for error in errors)
            files.append(file)
        self.take_hosts(name, files, 0)

    def take_hosts(self, name: str, files: list[SourceFile], hosts: int) -> int:
        """The trees that some files of a dump make up, the main file first; the number of hosts by then."""
        while files:
            hosts += 1
            host = name if hosts == 1 else f"{name}#{hosts}"
            prefix = "" if host == "-" else f"{host}:"
            tree = _tree_of_dump(files)
            for file in tree.files:
                file.name = hide(prefix + (file.nginx_path or ""))
                file.host = hide(host)
            kind, context = classify(tree.roots[0])
            base = os.path.dirname(tree.roots[0].nginx_path or "/")
            self.sources.trees.append(LoadedTree(tree, kind, context, base, set(tree.files), from_dump=True))
            reached = set(tree.files)
            files = [file for file in files if file not in reached]
        return hosts

    # -- trees ------------------------------------------------------------------------------------------------------

    def build_trees(self) -> None:
        named = set(self.requested)
        mains = [file for file in self.requested if self.kind_of(file)[0] == "full"]
        trees: list[tuple[SourceFile, Tree, str]] = []
        placed: set[SourceFile] = set()
        self.add_mains(mains, trees, placed)
        rest = [file for file in self.requested if file not in placed]
        if wanted := [*rest, *(file for file in self.doubtful if file in self.named)]:
            self.add_mains(self.mains_above(wanted), trees, placed)
            rest = [file for file in rest if file not in placed]
        included: set[SourceFile] = {
            file for main, tree, _ in trees for file in tree.files if file is not main and file in named
        }
        for _, tree, _ in trees:
            for file in tree.files:
                if file in self.doubtful:
                    self.requested[file] = self.doubtful.pop(file)
                    self.sources.left = [entry for entry in self.sources.left if entry != (file.name, "not nginx")]
        for main, tree, base in trees:
            requested = {file for file in tree.files if file in self.requested}
            if requested and main not in included:
                kind, context = classify(main)
                self.sources.trees.append(LoadedTree(tree, kind, context, base, requested, named=self.named))
        full = [(loaded.tree, loaded.base) for loaded in self.sources.trees if loaded.kind == "full"]
        self.add_fragments(rest, unused_among(rest, full, self.files))
        for file, where in self.extracted:
            kind, context = classify(file)
            if where is not None and kind == "snippet":
                context = where
            base = os.path.dirname(file.path or os.getcwd())
            tree = self.reader.tree([file], base)
            self.sources.trees.append(LoadedTree(tree, kind, context, base, {file}))

    def add_mains(
        self, mains: Sequence[SourceFile], trees: list[tuple[SourceFile, Tree, str]], placed: set[SourceFile]
    ) -> None:
        for main in mains:
            tree = self.tree_of(main)
            trees.append((main, tree, os.path.dirname(main.path or "")))
            placed.update(tree.files)

    def tree_of(self, main: SourceFile) -> Tree:
        """A main file's tree; made once."""
        tree = self.trees.get(main)
        if tree is None:
            tree = self.trees[main] = self.reader.tree([main], os.path.dirname(main.path or ""))
        return tree

    def mains_above(self, rest: Sequence[SourceFile]) -> list[SourceFile]:
        """The main files in the folders above some fragments, or beside those, which may include them."""
        found: dict[SourceFile, None] = {}
        folders: dict[str, None] = {}
        for file in rest:
            folder = os.path.dirname(file.path or "")
            for _ in range(MAX_ANCESTORS):
                if not folder or folder in folders or not self.files.allows(folder):
                    break
                folders[folder] = None
                folder = os.path.dirname(folder)
        beside = (f"{folder}/{place}" for folder in folders for place in _MAIN_PLACES)
        for folder in (*folders, *(place for place in beside if isinstance(self.files.real(place), str))):
            try:
                names = sorted(os.listdir(folder))
            except OSError:
                continue
            for name in names:
                if _is_main(name):
                    main = self.reader.load(f"{folder}/{name}")
                    if isinstance(main, SourceFile) and main not in self.requested and classify(main)[0] == "full":
                        found[main] = None
        return list(found)

    def add_fragments(self, rest: Sequence[SourceFile], unused: set[SourceFile]) -> None:
        """Fragments that no main file includes; one that another of them includes is linted there.

        ``unused``: those that are known not to be in use.
        """
        found: dict[SourceFile, tuple[str, Sequence[SourceFile]]] = {}
        included: set[SourceFile] = set()
        for file in rest:
            base = self.base_of(file)
            files = self.reader.reach(file, base)
            found[file] = (base, files)
            included.update(other for other in files if other is not file)
        answered: set[SourceFile] = set()
        for pass_included in (False, True):
            # A fragment that is only included by itself, in a circle, still is to be answered.
            for file in rest:
                if (file in included) is not pass_included or file in answered:
                    continue
                base, reached = found[file]
                requested = {other for other in reached if other in self.requested}
                answered |= requested
                enabled = file not in unused or not self.named.isdisjoint(requested)
                self.sources.trees.append(
                    LoadedTree(
                        None,
                        *self.kind_of(file),
                        base,
                        requested,
                        files=reached,
                        reader=self.reader,
                        named=self.named,
                        enabled=enabled,
                    )
                )

    def base_of(self, file: SourceFile) -> str:
        """The folder that a fragment's relative paths start from: that of its main file, as far as it is known."""
        folder = os.path.dirname(file.path or "")
        parent = os.path.dirname(folder)
        relative = [path for path in self.reader.patterns_of(file) if not path.startswith("/")]
        candidates = [parent, folder] if os.path.basename(folder) in _PARTS else [folder, parent]
        best = candidates[0]
        if relative:
            scores = {
                candidate: sum(1 for path in relative if self.files.expand(path, candidate)) for candidate in candidates
            }
            if scores[candidates[1]] > scores[best]:
                best = candidates[1]
        return best


def _is_empty(content: bytes) -> bool:
    """It is empty, or has nothing but comments."""
    lines = (line.strip() for line in content.splitlines())
    return all(not line or line.startswith(b"#") for line in lines)


def _is_main(name: str) -> bool:
    return name.lower().startswith("nginx.conf") and _MAIN_NAMES.match(name) is not None


def _tree_of_dump(files: Sequence[SourceFile]) -> Tree:
    """The first of these files with all that it brings in; nginx dumps the others of that host after it."""
    by_path = {file.nginx_path or "": file for file in files}
    matched: dict[str, tuple[SourceFile, ...]] = {}
    base = os.path.dirname(files[0].nginx_path or "/")
    tree = Tree([files[0]], [])
    pending = [(files[0], 0)]
    seen = {files[0]}
    while pending:
        file, depth = pending.pop()
        tree.files.append(file)
        for directive in file.includes:
            if depth == MAX_INCLUDE_DEPTH:
                reason = f"more than {MAX_INCLUDE_DEPTH} includes deep"
                tree.unresolved[directive] = (Gap(directive.args[0] if directive.args else "", reason),)
                continue
            follow_in_dump(tree, directive, base, by_path, matched)
            brought = [other for other in tree.includes.get(directive, ()) if other not in seen]
            seen.update(brought)
            pending += ((other, depth + 1) for other in brought)
    order = {file: number for number, file in enumerate(files)}
    tree.files.sort(key=order.__getitem__)
    bound_includes(tree)
    return tree


__all__ = ["Directive", "LoadedTree", "Sources", "discover"]
