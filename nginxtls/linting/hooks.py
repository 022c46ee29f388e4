"""The hooks: the objects of a configuration that each rule is called with."""

from __future__ import annotations

import os
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from nginxtls.base.errors import is_fault
from nginxtls.base.limits import LIMITS
from nginxtls.finding import Finding
from nginxtls.model.decides import by_origin
from nginxtls.rule import Rule
from nginxtls.syntax.places import Failure, Location
from nginxtls.syntax.secrets import hide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Directive

T = TypeVar("T")

_REPORT = "this is a bug in nginxtls: please report it"
LONGEST = 500
"""The most characters of an exception's text that are shown."""
_OBJECTS: tuple[tuple[str, Callable[[Configuration], Iterable[Any]]], ...] = (
    ("check_server", lambda configuration: configuration.servers),
    ("check_endpoint", lambda configuration: configuration.endpoints),
    ("check_bundle", lambda configuration: [b for b in configuration.bundles if b.bundle is not None]),
    ("check_upstream", lambda configuration: configuration.upstreams),
)


def run_hooks(configuration: Configuration, rules: Sequence[Rule], failures: dict[object, Failure]) -> list[Finding]:
    """Call each hook that a rule overrides with each of its objects.

    A rule that raises an exception, or yields something else than findings, is reported once in ``failures``, a part of
    the model that raises one is, too; the other rules and parts continue.
    """
    found: list[Finding] = []
    most = LIMITS["findings"]

    def call(rule: Rule, hook: Callable[..., Iterable[Finding]], *arguments: object) -> None:
        try:
            found.extend(islice(findings_of(hook, *arguments, configuration), max(most - len(found), 0)))
        except BaseException as error:
            if not _is_theirs(error):
                raise
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

    for rule in _applicable(rules, "check_configuration", configuration.mentions):
        call(rule, rule.check_configuration)
    for hook, objects in _OBJECTS:
        overriding = [rule for rule in rules if _overrides(rule, hook)]
        fitting: dict[frozenset[str], list[Rule]] = {}
        for thing in parts(partial(objects, configuration)) if overriding else ():
            mentions = thing.mentions if hook == "check_server" else configuration.mentions
            if mentions not in fitting:
                fitting[mentions] = [rule for rule in overriding if _applies(rule, mentions)]
            for rule in fitting[mentions]:
                call(rule, getattr(rule, hook), thing)
    for rule in _applicable(rules, "check_setting", configuration.mentions):
        for name in rule.decides:
            for directive, endpoints in parts(partial(_decided, configuration, name)):
                if directive is not None:
                    call(rule, rule.check_setting, directive, endpoints)
    for rule in rules:
        for name in rule.directives:
            for directive in configuration.directives(name):
                call(rule, rule.check_directive, directive)
    if len(found) >= most:
        last = found[-1].location
        reason = f"more than {most:,} findings; those of other rules and places are not reported"
        configuration.store.unchecked(last.name, reason, last)
    return found


def _decided(configuration: Configuration, name: str) -> Iterable[tuple[Directive | None, Sequence[Endpoint]]]:
    return by_origin(configuration, name).items()


def applicable(rules: Iterable[Rule], configuration: Configuration) -> list[Rule]:
    """The rules that have the directives in a configuration without which they find nothing."""
    return [rule for rule in rules if _applies(rule, configuration.mentions)]


def _applicable(rules: Iterable[Rule], hook: str, mentions: frozenset[str]) -> list[Rule]:
    return [rule for rule in rules if _overrides(rule, hook) and _applies(rule, mentions)]


def _overrides(rule: Rule, hook: str) -> bool:
    kind = type(rule)
    if kind not in _HOOKS:
        names = [name for name in vars(Rule) if name.startswith("check_")]
        _HOOKS[kind] = frozenset(name for name in names if getattr(kind, name) is not getattr(Rule, name))
    return hook in _HOOKS[kind]


_HOOKS: dict[type[Rule], frozenset[str]] = {}
"""The hooks that each class of rules overrides."""


def _applies(rule: Rule, mentions: frozenset[str]) -> bool:
    """Whether a rule can find anything in a configuration of these directives."""
    if not rule.needs or not mentions.isdisjoint(rule.needs):
        return True
    affixes = [need.partition("*")[::2] for need in rule.needs if "*" in need]
    return any(name.startswith(start) and name.endswith(end) for start, end in affixes for name in mentions)


def findings_of(hook: Callable[..., Iterable[Finding]], *arguments: object) -> Iterator[Finding]:
    """What a hook yields, one by one.

    Raises:
        TypeError: it yields something else than findings.
    """
    found = hook(*arguments)
    if not hasattr(found, "__iter__"):
        raise TypeError(f"{hook.__name__} returned {_short(found)}: yield findings, or return a list of them")
    for finding in found:
        if not isinstance(finding, Finding):
            raise TypeError(f"{hook.__name__} yielded {_short(finding)}, not a Finding: use self.at(…)")
        if not isinstance(finding.message, str) or not isinstance(finding.location, Location):
            raise TypeError(f"{hook.__name__} yielded a finding without a text as message or without a Location")
        yield finding


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
