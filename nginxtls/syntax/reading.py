"""Reading a main file with all that it includes: each file once, in nginx's order; cycles and gaps are reported."""

from __future__ import annotations

import fnmatch
import os
import re
from typing import TYPE_CHECKING

from nginxtls.base.limits import LIMITS
from nginxtls.base.secrets import hide_in
from nginxtls.syntax.decoding import decode
from nginxtls.syntax.expansion import bound_includes
from nginxtls.syntax.files import MAGIC, OUTSIDE, Files, Unreachable, display_name
from nginxtls.syntax.parser import parse_file
from nginxtls.syntax.stock import is_drop_in_folder, is_stock, is_stock_name
from nginxtls.syntax.stream import Known
from nginxtls.syntax.templates import mask
from nginxtls.syntax.tree import Directive, Gap, Problem, SourceFile, Tree
from nginxtls.syntax.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


MAX_FILES, MAX_INCLUDE_DEPTH = LIMITS["files"], LIMITS["depth"]
"""Files of a configuration, and includes inside of each other."""


def read_tree(main_path: str | os.PathLike[str], files: Files) -> Tree:
    """Read a main file and all its includes; relative ones start from the main file's folder, as in nginx."""
    return Reader(files).read(os.path.abspath(main_path))


class KeptFiles:
    """Parsed files of one run for the next one, which uses a file again only if it has the same text.

    What no run has used since the one before the last is dropped, so it holds no more than two trees.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[SourceFile, int]] = {}
        self._now: dict[str, tuple[SourceFile, int]] = {}

    def begin(self) -> None:
        """Begin a run: what the last one did not use is dropped."""
        self._last, self._now = self._now, {}

    def get(self, path: str, name: str, text: str, variables: Mapping[str, str]) -> SourceFile | None:
        """The file of a real path as parsed before, if nothing that its directives depend on has changed."""
        file, problems = self._now.get(path) or self._last.get(path) or (None, 0)
        if file is None or file.raw != text or file.name != name or file.variables != variables:
            return None
        del file.problems[problems:]  # those of the tree that it was in, such as an include that leads back
        file.nginx_path = None
        self._now[path] = file, problems
        return file

    def put(self, path: str, file: SourceFile) -> None:
        """Keep a file that has just been parsed."""
        self._now[path] = file, len(file.problems)


class Reader:
    """Reads and parses files, each once for all trees.

    ``instead``: texts to be taken for the content of files, by real path. ``passes_over`` returns whether a file
    that an include finds is left out. ``kept``: files that earlier runs have parsed.
    """

    def __init__(
        self,
        files: Files,
        *,
        instead: Mapping[str, str] | None = None,
        skips: Callable[[str], bool] = lambda path: False,
        kept: KeptFiles | None = None,
    ) -> None:
        self.files = files
        self.kept = kept
        if kept is not None:
            kept.begin()
        self.instead = instead or {}
        self.skips = skips
        self.here = os.getcwd()
        self.parsed: dict[str, SourceFile | Unreachable] = {}
        """By real path."""
        self.brought: dict[tuple[str, str], tuple[tuple[SourceFile, ...] | None, tuple[Gap, ...]]] = {}
        """By the pattern of an include and the folder that it starts from."""
        self.copies: dict[str, bool] = {}
        """By folder, whether it is a copy of /etc/nginx."""
        self.known = Known()
        self.patterns: dict[SourceFile, tuple[str, ...]] = {}
        """Of files whose directives were dropped, what their includes name."""

    def read(self, main_path: str) -> Tree:
        """The tree of a main file, by its absolute path."""
        file = self.load(main_path)
        if isinstance(file, Unreachable):
            empty = SourceFile(display_name(main_path), "", main_path)
            empty.problems.append(Problem(f"cannot be read: {file.reason}"))
            return Tree([empty], [empty])
        return self.tree([file], os.path.dirname(main_path))

    def load(self, path: str, nginx_path: str | None = None) -> SourceFile | Unreachable:
        """The file of a path of this machine, parsed."""
        known = self.parsed.get(path)
        if known is not None:
            return known
        located = self.files.real(path)
        if isinstance(located, Unreachable):
            self.parsed[path] = located
            return located
        known = self.parsed.get(located)
        if known is None:
            known = self._read(located, path, nginx_path)
            self.parsed[located] = known
        self.parsed[path] = known
        return known

    def _read(self, located: str, path: str, nginx_path: str | None) -> SourceFile | Unreachable:
        text, problem = self.instead.get(located), ""
        if text is None:
            content = self.files.read_real(located)
            if isinstance(content, Unreachable):
                return content
            text, problem = decode(content)
            if text is None:
                return Unreachable(path, problem, True)
        if (refused := self.files.refuse_text(path, text)) is not None:
            return refused
        file = self.parse(located, text, problem)
        if nginx_path and nginx_path != located:
            file.nginx_path = nginx_path
        return file

    def parse(self, located: str, text: str, remark: str = "") -> SourceFile:
        """The file of a real path and its text, parsed and kept."""
        variables = self.files.rendering.variables_of(located)
        name = display_name(located, self.here)
        file = self.kept.get(located, name, text, variables) if self.kept is not None else None
        if file is None:
            file = source(name, text, located, known=self.known, variables=variables)
            if self.kept is not None:
                self.kept.put(located, file)
        self.parsed[located] = file
        if remark:
            file.problems.append(Problem(remark, fatal=False))
        return file

    def tree(self, roots: Sequence[SourceFile], base: str) -> Tree:
        """The tree that starts from these files; ``base`` is the folder that relative includes start from."""
        tree = Tree(list(roots), [])
        seen: set[SourceFile] = set()
        level = list(roots)
        depth = 0
        while level:
            following: list[SourceFile] = []
            for file in level:
                if file in seen:
                    continue
                seen.add(file)
                tree.files.append(file)
                for directive in file.includes:
                    following += self.follow(tree, directive, base)
            level = following
            depth += 1
            if len(seen) > MAX_FILES or depth > MAX_INCLUDE_DEPTH:
                for file in level:
                    if file not in seen:
                        self.give_up(tree, file)
                break
        bound_includes(tree)
        return tree

    def forget(self, file: SourceFile) -> None:
        """Drop the directives of a file; they are parsed again where they are needed. Those of a template are kept."""
        if not file.engines:
            self.patterns[file] = self.patterns_of(file)
            file.forget(self._parse_again)

    def _parse_again(self, file: SourceFile) -> None:
        parse_file(file, None, self.known)

    def patterns_of(self, file: SourceFile) -> tuple[str, ...]:
        """What the includes of a file name, in order; known without its directives."""
        known = self.patterns.get(file)
        return tuple(include.args[0] for include in file.includes if include.args) if known is None else known

    def reach(self, root: SourceFile, base: str) -> list[SourceFile]:
        """The files of the tree that starts from a file, in its order, without the tree."""
        found: dict[SourceFile, None] = {}
        level, depth, names = [root], 0, LIMITS["names"]
        while level and depth <= MAX_INCLUDE_DEPTH and len(found) <= MAX_FILES:
            following: list[SourceFile] = []
            for file in level:
                if file in found:
                    continue
                found[file] = None
                for pattern in filter(None, self.patterns_of(file)):
                    brought = self.brought_by(pattern, base)[0] or ()
                    names -= len(brought)
                    following += brought if names >= 0 else ()
            level = following
            depth += 1
        return list(found)

    def follow(self, tree: Tree, directive: Directive, base: str) -> Iterable[SourceFile]:
        """Note in the tree what an include brings in, or why it does not."""
        if not directive.args or not directive.args[0]:
            tree.unresolved[directive] = (Gap("", "it names no file"),)
            return ()
        brought, gaps = self.brought_by(directive.args[0], base)
        if gaps:
            tree.unresolved[directive] = gaps
        if brought is None or not _within_limit(tree, directive, len(brought)):
            return ()
        tree.includes[directive] = brought
        return brought

    def brought_by(self, pattern: str, base: str) -> tuple[tuple[SourceFile, ...] | None, tuple[Gap, ...]]:
        """As ``bring``, once for each pattern and folder."""
        key = (pattern, base)
        if key not in self.brought:
            self.brought[key] = self.bring(*key)
        return self.brought[key]

    def bring(self, pattern: str, base: str) -> tuple[tuple[SourceFile, ...] | None, tuple[Gap, ...]]:
        """The files of an include, None if it is not known which, and those that could not be read."""
        found = self.files.expand(pattern, base)
        if isinstance(found, Unreachable):
            gap = self.gap(pattern, base, found)
            absent = not found.exists or (found.reason == OUTSIDE and pattern.startswith("/"))
            if absent and not gap.stock and is_drop_in_folder(pattern):
                gap = gap._replace(stock=self.is_copy(base) and not self.files.mounts_below(os.path.dirname(pattern)))
            return () if gap.stock else None, (gap,)
        brought: list[SourceFile] = []
        gaps: list[Gap] = []
        for nginx_path, path in found:
            if self.skips(path):
                continue
            absolute = nginx_path if nginx_path.startswith("/") else f"{base}/{nginx_path}"
            file = self.load(path, absolute)
            if isinstance(file, Unreachable) and isinstance(target := self.files.link_target(path, base), str):
                file = self.load(target, absolute)
            if isinstance(file, Unreachable):
                gaps.append(self.gap(nginx_path, base, file))
            else:
                brought.append(file)
        known = brought or all(gap.stock or gap.missing for gap in gaps)
        return tuple(brought) if known else None, tuple(gaps)

    def is_copy(self, folder: str) -> bool:
        """Whether a folder is a copy of /etc/nginx as installed, whose empty folders (``conf.d``) git does not keep."""
        if folder not in self.copies:
            real = self.files.real(folder)
            try:
                self.copies[folder] = isinstance(real, str) and any(map(is_stock_name, os.listdir(real)))
            except OSError:
                self.copies[folder] = False
        return self.copies[folder]

    def gap(self, path: str, base: str, why: Unreachable) -> Gap:
        """What is not read of an include."""
        if UNKNOWN in path:
            return Gap(path, "its path is set by a template")
        seen = self.files.sees_machine if path.startswith("/") else self.files.holds(base)
        return Gap(path, why.reason, missing=seen and not why.exists, stock=is_stock(path))

    def give_up(self, tree: Tree, file: SourceFile) -> None:
        """Remove a file beyond the limits from the tree again."""
        for directive, brought in list(tree.includes.items()):
            if file in brought:
                tree.includes[directive] = tuple(other for other in brought if other is not file)
                reason = f"more than {MAX_INCLUDE_DEPTH} includes deep or more than {MAX_FILES:,} files"
                tree.unresolved[directive] = (Gap(directive.args[0], reason),)


def source(
    name: str,
    text: str,
    path: str | None = None,
    *,
    first_line: int = 1,
    visible: str | None = None,
    known: Known | None = None,
    variables: Mapping[str, str] | None = None,
) -> SourceFile:
    """A text as a parsed file; template tags in it are masked first.

    ``first_line`` is the line of ``name`` on which the text starts; ``visible`` the text with what is not nginx blank.
    ``variables``: likely values of a template's variables.
    """
    file = SourceFile(name, text, path)
    if variables:
        file.variables = variables
    file.first_line = first_line
    if visible is not None:
        file.masked = hide_in(text, file.text, visible)
    parse_file(file, mask(file), known)
    return file


def _within_limit(tree: Tree, directive: Directive, number: int) -> bool:
    """Count files that an include brings in or looks at; False, noted in the tree, if they are too many by now."""
    tree.names_left -= number
    if tree.names_left < 0:
        reason = f"the includes of this configuration bring in more than {LIMITS['names']:,} files"
        tree.unresolved[directive] = (Gap(directive.args[0], reason),)
    return tree.names_left >= 0


def follow_in_dump(
    tree: Tree,
    directive: Directive,
    base: str,
    parsed: dict[str, SourceFile],
    matched: dict[str, tuple[SourceFile, ...]],
) -> None:
    """Note what an include brings in, where a dump has all files; ``matched`` keeps it by pattern."""
    if not directive.args:
        tree.unresolved[directive] = (Gap("", "it names no file"),)
        return
    pattern = directive.args[0] if directive.args[0].startswith("/") else f"{base}/{directive.args[0]}"
    if not MAGIC.search(pattern):
        if pattern in parsed:
            tree.includes[directive] = (parsed[pattern],)
        else:
            stock = is_stock(pattern)
            tree.unresolved[directive] = (Gap(directive.args[0], "not in the dump", stock=stock),)
            if stock:
                tree.includes[directive] = ()
        return
    if pattern not in matched:
        if not _within_limit(tree, directive, len(parsed)):
            return
        wanted = re.compile(fnmatch.translate(pattern.replace("[^", "[!"))).match
        depth = pattern.count("/")
        matches = [path for path in parsed if path.count("/") == depth and wanted(path)]
        matched[pattern] = tuple(parsed[path] for path in sorted(matches, key=os.fsencode))
    if _within_limit(tree, directive, len(matched[pattern])):
        tree.includes[directive] = matched[pattern]
