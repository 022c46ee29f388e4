"""A rule class of another package, checked when it is loaded: most mistakes would only make it silent."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from nginxtls.finding import Confidence, Severity
from nginxtls.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

HOOKS = {
    "check_configuration": ("configuration",),
    "check_server": ("server", "configuration"),
    "check_endpoint": ("endpoint", "configuration"),
    "check_bundle": ("bundle", "configuration"),
    "check_upstream": ("upstream", "configuration"),
    "check_setting": ("directive", "endpoints", "configuration"),
    "check_directive": ("directive", "configuration"),
}
"""The hooks and what they are called with."""

_WORDS = ("references", "directives", "decides", "needs")
_KINDS: dict[str, tuple[type, str]] = {
    "severity": (Severity, "a Severity, such as Severity.WARNING"),
    "security_severity": (float, "a number from 0 to 10"),
    "confidence": (Confidence, "Confidence.CERTAIN or Confidence.LIKELY"),
    "pedantic": (bool, "True or False"),
    "needless": (bool, "True or False"),
    "since": (str, "a text"),
}
_CALLED = {"check_directive": "directives", "check_setting": "decides"}
"""Hooks that are called for what the class names in a variable."""


def faults(kind: type[Rule]) -> list[str]:
    """What is wrong with a rule class, a clause for each fault; empty if nothing is."""
    return [*_documentation(kind), *_variables(kind), *_hooks(kind), *_directives(kind)]


def place(kind: type[Rule]) -> str:
    """``class OurRule (…/rules.py:12)``."""
    try:
        where = f"{inspect.getsourcefile(kind)}:{inspect.getsourcelines(kind)[1]}"
    except (OSError, TypeError):
        where = kind.__module__
    return f"class {kind.__name__} ({where})"


def _documentation(kind: type[Rule]) -> Iterator[str]:
    if not (vars(kind).get("__doc__") or "").strip():
        yield "it has no docstring, which is its documentation"


def _variables(kind: type[Rule]) -> Iterator[str]:
    for name, (wanted, words) in _KINDS.items():
        value = getattr(kind, name)
        right = isinstance(value, int | float) and 0 <= value <= 10 if wanted is float else isinstance(value, wanted)
        if not right:
            yield f"`{name}` is {value!r:.60}, not {words}"
    for name in (*_WORDS, "cwe"):
        value = getattr(kind, name)
        wanted, word = (int, "numbers") if name == "cwe" else (str, "texts")
        if not isinstance(value, tuple):
            given = value if isinstance(value, list) else [value]
            fits = given and all(isinstance(each, wanted) for each in given)
            example = f"{tuple(given)!r:.80}" if fits else '("ssl_ciphers",)'
            yield f"`{name}` is not a tuple of {word}: write `{name} = {example}`"
        elif not all(isinstance(each, wanted) for each in value):
            yield f"`{name}` has something else than {word}"


def _hooks(kind: type[Rule]) -> Iterator[str]:
    between = kind.__mro__[1 : kind.__mro__.index(Rule)]
    inherited = {name for each in between for name in vars(each)}  # a base class may have hooks of its own
    own = vars(kind)
    for name in sorted(own.keys() - vars(Rule).keys() - inherited):
        if name.startswith("_"):
            continue
        called = callable(own[name])
        near = get_close_matches(
            name, [each for each in vars(Rule) if callable(getattr(Rule, each)) is called], 1, 0.85
        )
        if name.startswith("check") and called:
            help = get_close_matches(name, HOOKS, 1)
            yield f"`{name}` is not a hook" + (f": did you mean `{help[0]}`?" if help else f" ({', '.join(HOOKS)} are)")
        elif near:
            yield f"`{name}` means nothing: did you mean `{near[0]}`?"
    overridden = [name for name in HOOKS if getattr(kind, name) is not getattr(Rule, name)]
    misspelt = any(name.startswith("check") for name in own.keys() - vars(Rule).keys() - inherited)
    if not overridden and not misspelt:
        yield f"it overrides no hook ({', '.join(HOOKS)})"
    for name in overridden:
        yield from _signature(name, getattr(kind, name))
    for name, variable in _CALLED.items():
        if name in overridden and not getattr(kind, variable):
            yield f"`{name}` is never called: `{variable}` names no directive"
        elif name not in overridden and getattr(kind, variable) and not misspelt:
            yield f"`{variable}` has no effect without `{name}`"


def _signature(name: str, hook: Any) -> Iterator[str]:
    wanted = f"`def {name}(self, {', '.join(HOOKS[name])})`"
    if not inspect.isfunction(hook):
        yield f"`{name}` is not a method: write {wanted}"
        return
    if inspect.iscoroutinefunction(hook) or inspect.isasyncgenfunction(hook):
        yield f"`{name}` is asynchronous: write {wanted}"
        return
    try:
        inspect.signature(hook).bind(None, *HOOKS[name])
    except TypeError:
        yield f"`{name}{inspect.signature(hook)}` has other parameters than {wanted}"


def _directives(kind: type[Rule]) -> Iterator[str]:
    """The names that are not directives of nginx or of a module that is known, and read like one."""
    from nginxtls.model.directive_table import by_name
    from nginxtls.syntax.known import directive_names, is_directive

    known = directive_names() | by_name().keys()
    for variable in ("directives", "decides", "needs"):
        names = getattr(kind, variable)
        for name in names if isinstance(names, tuple) else ():
            if not isinstance(name, str) or name in known or "*" in name:
                continue
            near = get_close_matches(name, known, 1, 0.8)
            if near or not is_directive(name):
                help = f": did you mean `{near[0]}`?" if near else ""
                yield f"`{variable}` names `{name}`, which is not a directive of nginx{help}"
