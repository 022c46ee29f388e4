"""The hooks: the objects of a configuration that each rule is called with."""

from __future__ import annotations

import os
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from nginxtls.base.errors import is_fault
from nginxtls.base.limits import LIMITS
from nginxtls.base.secrets import hide
from nginxtls.finding import Finding
from nginxtls.linting.registry import mentioned
from nginxtls.model.chosen import sound
from nginxtls.model.decides import by_origin
from nginxtls.rule import Rule
from nginxtls.syntax.places import Failure, Location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Directive

T = TypeVar("T")

_REPORT = "this is a bug in nginxtls: please report it"
LONGEST = 500
"""The most characters of an exception's text that are shown."""
_OBJECTS: tuple[tuple[str, Callable[[Configuration], Iterable[Any]]], ...] = (
    ("check_server", lambda configuration: configuration.servers),
    ("check_endpoint", lambda configuration: configuration.endpoints),
    ("check_bundle", lambda configuration: [b for b in configuration.bundles if b.bundle] + [*sound(configuration)]),
    ("check_upstream", lambda configuration: configuration.upstreams),
)


def run_hooks(
    configuration: Configuration,
    rules: Sequence[Rule],
    failures: dict[object, Failure],
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """Call each hook that a rule overrides with each of its objects. ``progress``: how many rules of how many ran.

    A rule that raises an exception, or yields something else than findings, is reported once in ``failures``, a part of
    the model that raises one is, too; the other rules and parts continue.
    """
    found: list[Finding] = []
    most = LIMITS["findings"]
    ran: set[str] = set()

    def call(rule: Rule, hook: Callable[..., Iterable[Finding]], things: Iterable[tuple[object, ...]]) -> None:
        if progress is not None:
            ran.add(rule.name)
            progress(len(ran), len(rules))
        for arguments in things:
            count = len(found)
            try:
                mine = hook(*arguments, configuration)
                if not hasattr(mine, "__iter__"):
                    raise TypeError(
                        f"{hook.__name__} returned {_short(mine)}: yield findings, or return a list of them"
                    )
                found.extend(islice(mine, most - count))
                if len(found) > count:
                    _validate(hook, found[count:])
            except BaseException as error:
                if not _is_theirs(error):
                    raise
                del found[count:]
                failures.setdefault(rule.name, _broken(rule, error))

    def parts(read: Callable[[], Iterable[T]]) -> Iterable[T]:
        try:
            return read()
        except BaseException as error:
            if not _is_theirs(error):
                raise
            name = configuration.tree.roots[0].name
            failures.setdefault((name, stopped(error)), Failure(name, f"the model {stopped(error)}", help=_REPORT))
            return ()

    rules = tuple(rules)
    met = _met(rules, configuration.mentions)
    for rule in _applicable(rules, "check_configuration", met):
        call(rule, rule.check_configuration, [()])
    for hook, objects in _OBJECTS:
        if not _overriding(rules, hook):
            continue
        by_mentions: dict[frozenset[str], list[tuple[object]]] = {}
        for thing in parts(partial(objects, configuration)):
            named = thing.mentions if hook == "check_server" else configuration.mentions
            by_mentions.setdefault(named, []).append((thing,))
        for named, things in by_mentions.items():
            for rule in _applicable(rules, hook, _met(rules, named)):
                call(rule, getattr(rule, hook), things)
    for rule in _applicable(rules, "check_setting", met):
        for name in rule.decides:
            decided = parts(partial(_decided, configuration, name))
            call(rule, rule.check_setting, [each for each in decided if each[0] is not None])
    for rule in _overriding(rules, "check_directive"):
        for name in rule.directives:
            if lines := configuration.directives(name):
                call(rule, rule.check_directive, [(directive,) for directive in lines])
    if len(found) >= most:
        last = found[-1].location
        reason = f"more than {most:,} findings; those of other rules and places are not reported"
        configuration.store.unchecked(last.name, reason, last)
    return found


def _decided(configuration: Configuration, name: str) -> Iterable[tuple[Directive | None, Sequence[Endpoint]]]:
    return by_origin(configuration, name).items()


def applicable(rules: Iterable[Rule], configuration: Configuration) -> list[Rule]:
    """The rules that have the directives in a configuration without which they find nothing."""
    chosen = tuple(rules)
    return list(_applying(chosen, _met(chosen, configuration.mentions)))


def _met(rules: tuple[Rule, ...], mentions: frozenset[str]) -> frozenset[str]:
    """What the rules need and a configuration has; its own words, of which there may be any number, are not kept."""
    words, patterns = _needed(rules)
    return mentions & words | frozenset(pattern for pattern in patterns if mentioned((pattern,), mentions))


@lru_cache(maxsize=256)
def _needed(rules: tuple[Rule, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    words = frozenset(word for rule in rules for word in rule.needs)
    return words, tuple(word for word in words if "*" in word)


@lru_cache(maxsize=256)
def _applying(rules: tuple[Rule, ...], met: frozenset[str]) -> tuple[Rule, ...]:
    """Kept for many small configurations that are alike: of 1,000 sites it took a fourteenth of the time."""
    return tuple(rule for rule in rules if not rule.needs or not met.isdisjoint(rule.needs))


@lru_cache(maxsize=1024)
def _applicable(rules: tuple[Rule, ...], hook: str, met: frozenset[str]) -> tuple[Rule, ...]:
    """Kept for the servers of a configuration, and for many small configurations that are alike."""
    return _applying(_overriding(rules, hook), met)


@lru_cache(maxsize=256)
def _overriding(rules: tuple[Rule, ...], hook: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if getattr(type(rule), hook) is not getattr(Rule, hook))


def _validate(hook: Callable[..., Iterable[Finding]], found: Iterable[object]) -> None:
    """Check what a hook has yielded.

    Raises:
        TypeError: it is something else than findings.
    """
    for finding in found:
        if not isinstance(finding, Finding):
            raise TypeError(f"{hook.__name__} yielded {_short(finding)}, not a Finding: use self.at(…)")
        if not isinstance(finding.message, str) or not isinstance(finding.location, Location):
            raise TypeError(f"{hook.__name__} yielded a finding without a text as message or without a Location")


def _short(thing: object) -> str:
    return "None" if thing is None else f"{type(thing).__name__} {thing!r:.80}"


def stopped(error: BaseException) -> str:
    """The type, text and place of an exception, without key material that the text may quote."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    file = trace.tb_frame.f_code.co_filename if trace else __file__
    # What this module raises is of the rule that it called.
    place = f" in {os.path.basename(file)}, line {trace.tb_lineno}" if trace and file != __file__ else ""
    text = hide(str(error))
    return f"stopped with {type(error).__name__}{place}" + (f": {text[:LONGEST]}" if text else "")


def _is_theirs(error: BaseException) -> bool:
    """Whether a rule or the model caused it: a rule of another package may also exit; an interrupt is the user's."""
    return is_fault(error) or isinstance(error, SystemExit)


def _class(rule: Rule) -> str:
    """The class of a rule of another package and its file; empty for one of nginxtls."""
    from nginxtls.linting.validation import place

    return "" if type(rule).__module__.startswith("nginxtls.") else f"; {place(type(rule))}"


def _broken(rule: Rule, error: BaseException) -> Failure:
    from traceback import format_exception

    return Failure(
        f"rule {rule.name}",
        stopped(error) + _class(rule),
        help=f"this is a bug in the rule: please report it; to continue, add `--ignore {rule.name}`",
        trace=hide("".join(format_exception(error))),
    )
