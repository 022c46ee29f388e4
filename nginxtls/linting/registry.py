"""The installed rules: the classes in the modules of the entry point group ``nginxtls.rules``."""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from nginxtls.base.data import read_data
from nginxtls.base.errors import UsageError, nearest
from nginxtls.base.lazy import NamedTuple
from nginxtls.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from importlib.metadata import EntryPoint
    from typing import TypeGuard

GROUP = "nginxtls.rules"


@cache
def installed_rules() -> Mapping[str, Rule]:
    """All rules of the installed packages by name, sorted. Nothing is ever loaded from the tree that is linted.

    Raises:
        UsageError: a package's entry point cannot be loaded, or two packages have a rule of one name.
    """
    return rules_of(_own_points() or _all_points())


def rules_about(names: Collection[str]) -> Mapping[str, Rule]:
    """The installed rules without the topics that find nothing where none of these directives is.

    A topic's rules are not loaded if ``needs.tsv`` lists directives for it, and none of them is there: a fragment
    needs a third of the rules, whose modules take a quarter of its check. ``tests/test_needs.py`` makes the table
    from the rules' own ``needs`` and hooks. With rules of other packages, all are loaded.
    """
    points = _own_points()
    if not points:
        return installed_rules()
    unneeded = {topic for topic, needs in _needs().items() if not mentioned(needs, names)}
    found = [_of_topic(point) for point in points if point.name not in unneeded]
    return dict(sorted(item for rules in found for item in rules.items()))


def mentioned(words: Iterable[str], names: Collection[str]) -> bool:
    """Whether one of the words is among the names of directives; ``proxy_ssl_*`` is a pattern."""
    for word in words:
        start, star, end = word.partition("*")
        if word in names or (star and any(name.startswith(start) and name.endswith(end) for name in names)):
            return True
    return False


@cache
def _needs() -> dict[str, list[str]]:
    rows = (line.split("\t") for line in read_data("nginxtls.linting", "needs.tsv").splitlines())
    return {topic: needs.split() for topic, needs in rows}


@cache
def _of_topic(point: Point) -> Mapping[str, Rule]:
    return rules_of([point])


class Point(NamedTuple):
    """An entry point of nginxtls itself."""

    name: str
    value: str
    dist: None = None

    def load(self) -> ModuleType:
        """Import the module that the entry point names."""
        return import_module(self.value)


@cache
def _own_points() -> list[Point]:
    """The entry points of nginxtls if no other package has any of the group; empty if that is not known.

    A quick look into the folders of sys.path: importlib.metadata takes longer than loading all rules.
    """
    ours: list[Point] = []
    for folder in sys.path:
        try:
            with os.scandir(folder or ".") as scan:
                infos = [entry.path for entry in scan if entry.name.endswith((".dist-info", ".egg-info"))]
        except NotADirectoryError:
            return []  # an archive, which may hold packages
        except OSError:
            continue
        for info in infos:
            try:
                with open(f"{info}/entry_points.txt", "rb", buffering=0) as file:
                    text = file.read().decode()
            except (OSError, UnicodeDecodeError):
                continue
            if GROUP in text:
                if ours or not os.path.basename(info).startswith("nginxtls-"):
                    return []
                section = text.partition(f"[{GROUP}]\n")[2].partition("[")[0]
                pairs = (line.partition(" = ") for line in section.splitlines() if line)
                ours = [Point(name, module) for name, _, module in pairs]
    return ours


def _all_points() -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def rules_of(points: Iterable[EntryPoint | Point]) -> dict[str, Rule]:
    """The rules that the modules named by these entry points define, by name."""
    rules: dict[str, Rule] = {}
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        for kind in _classes(point):
            rule = _made(kind, point)
            other = rules.setdefault(rule.name, rule)
            if type(other) is not kind:
                raise UsageError(
                    _title(point),
                    f'the rule "{rule.name}" already exists in {type(other).__module__}',
                    "rename one of the two classes or uninstall one of the packages",
                )
    return dict(sorted(rules.items()))


def choose(rules: Mapping[str, Rule], select: Iterable[str], ignore: Iterable[str], pedantic: bool) -> list[Rule]:
    """The rules to run. Each word of ``select`` and ``ignore`` is a rule's name, a topic, or a pattern with ``*``.

    ``pedantic`` rules (hardening advice) run if requested, or if a rule is selected by its name.

    Raises:
        UsageError: a word matches no rule.
    """
    selected, ignored = list(select), list(ignore)
    wanted = _fitting(rules, selected) if selected else set(rules)
    unwanted = _fitting(rules, ignored)
    return [
        rule
        for name, rule in rules.items()
        if name in wanted and name not in unwanted and (pedantic or not rule.pedantic or name in selected)
    ]


def find_rule(rules: Mapping[str, Rule], name: str) -> Rule:
    """The rule of a name.

    Raises:
        UsageError: it does not exist; the help line suggests the nearest name.
    """
    if name in rules:
        return rules[name]
    raise UsageError(
        f'"{name}"', "is not a rule", nearest(name, rules) or "run `nginxtls rules` for a list of all rules"
    )


def fits(rule: Rule, word: str) -> bool:
    """Whether a word of the settings or of a suppression matches this rule: its name, its topic, or a pattern."""
    if word in (rule.name, rule.topic):
        return True
    if "*" not in word:
        return False
    from fnmatch import fnmatchcase

    return fnmatchcase(rule.name, word)


def _fitting(rules: Mapping[str, Rule], words: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for word in words:
        names = _names(rules, word)
        if not names:
            known = [*rules, *{rule.topic for rule in rules.values()}]
            raise UsageError(
                f'"{word}"',
                "matches no rule and no topic",
                nearest(word, known) or "run `nginxtls rules` for a list of all rules",
            )
        found |= names
    return found


def _names(rules: Mapping[str, Rule], word: str) -> set[str]:
    """The names of the rules that a word matches, as ``fits``."""
    if "*" not in word:
        return {name for name, rule in rules.items() if word in (name, rule.topic)}
    import re
    from fnmatch import translate

    matches = re.compile(translate(word)).match
    return {name for name in rules if matches(name)}


def _classes(point: EntryPoint | Point) -> list[type[Rule]]:
    try:
        module = point.load()
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{_title(point)}{_place(error, point)}",
            f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}",
            f"fix or uninstall the package with {point.value}",
        ) from error
    if not isinstance(module, ModuleType):
        raise UsageError(
            _title(point), "an entry point of this group must name a module", "remove the part after the colon"
        )
    parts = [each for each in vars(module).values() if _is_part(each, module)]
    return [
        member
        for part in (module, *parts)
        for member in vars(part).values()
        if isinstance(member, type)
        and issubclass(member, Rule)
        and member.__module__ == part.__name__
        and not member.__name__.startswith("_")
    ]


def _place(error: BaseException, point: EntryPoint | Point) -> str:
    """The file and line of the package at which it could not be loaded, as ``: …/rules.py:12``; empty if unknown."""
    if isinstance(error, SyntaxError) and error.filename:
        return f": {error.filename}:{error.lineno}"
    package = point.value.partition(":")[0].partition(".")[0]
    found, trace = "", error.__traceback__
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] == package:
            found = f": {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _made(kind: type[Rule], point: EntryPoint | Point) -> Rule:
    """The rule of a class; those of other packages are validated (a test validates nginxtls's own)."""
    if kind.__module__.startswith("nginxtls.rules."):
        return kind()
    from nginxtls.linting.validation import faults, place

    wrong = faults(kind)
    if not wrong:
        try:
            return kind()
        except Exception as error:
            wrong = [f"it cannot be made without arguments: {type(error).__name__}: {error}"]
    raise UsageError(
        f"{_title(point)}: {place(kind)}",
        "; ".join(wrong),
        f"fix the class or uninstall the package with {point.value}",
    )


def _is_part(thing: object, package: ModuleType) -> TypeGuard[ModuleType]:
    """Whether it is a module of the package: a large topic is a package that imports its modules."""
    return isinstance(thing, ModuleType) and thing.__name__.startswith(f"{package.__name__}.")


def _title(point: EntryPoint | Point) -> str:
    package = f" of {point.dist.name}" if point.dist else ""
    return f'rules "{point.name}"{package}'
