"""Effective values: which directive decides in a block, by nginx's inheritance, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.model.directive_table import default_of
from nginxtls.model.versions import default_protocols
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nginxtls.model.versions import NginxVersion
    from nginxtls.syntax.tree import Directive, Tree

ADDS_UP = frozenset({"ssl_protocols", "proxy_ssl_protocols", "grpc_ssl_protocols", "uwsgi_ssl_protocols"})
"""Bit masks: two lines at one level add up, silently (measured, all generations)."""

REPEATABLE = frozenset(
    {
        "ssl_certificate",
        "ssl_certificate_key",
        "ssl_conf_command",
        "proxy_ssl_conf_command",
        "grpc_ssl_conf_command",
        "uwsgi_ssl_conf_command",
        "ssl_session_ticket_key",
        "ssl_password_file",
        "add_header",
        "proxy_set_header",
        "grpc_set_header",
        "fastcgi_param",
        "uwsgi_param",
        "server_name",
        "listen",
        "resolver",
    }
)
"""Directives that accumulate within a level; a level with one of its own inherits none."""


class Setting(NamedTuple):
    """An effective value and where it comes from.

    ``values`` are the arguments of the deciding directive (of all of them for bit masks); ``directives`` are the
    deciding directives, none for a default; ``level`` is the type of their block, or ``"default"``.
    ``certain`` is false for what an unseen part of the configuration may override (a default, or an inherited value
    where an include of an inner level could not be read), and for values under a template's condition.
    """

    name: str
    values: tuple[str, ...]
    directives: tuple[Directive, ...]
    level: str
    certain: bool = True

    @property
    def value(self) -> str:
        """The first argument, or the empty string."""
        return self.values[0] if self.values else ""

    @property
    def origin(self) -> Directive | None:
        """The directive that decides (the last, where several add up), or None for a default."""
        return self.directives[-1] if self.directives else None

    @property
    def is_default(self) -> bool:
        """Whether no directive sets the value."""
        return not self.directives

    @property
    def enabled(self) -> bool:
        """The value is ``on``."""
        return self.value.lower() == "on"

    @property
    def known(self) -> bool:
        """No template text and no nginx variable in the value."""
        return not any(UNKNOWN in value or "$" in value for value in self.values)


class Header(NamedTuple):
    """A header that an add_header line sends. ``always``: with every status."""

    name: str
    value: str
    always: bool
    directive: Directive

    @property
    def known(self) -> bool:
        """Whether the value has neither variables nor template text."""
        return "$" not in self.value and self.directive.known


class Scope:
    """A block as a level of inheritance: its own directives by name, and the level around it."""

    __slots__ = (
        "_all_branches",
        "_settings",
        "certain",
        "headers",
        "left_out",
        "level",
        "module",
        "nginx",
        "own",
        "parent",
        "unread",
    )

    def __init__(
        self,
        tree: Tree,
        directives: Sequence[Directive],
        *,
        module: str,
        level: str,
        nginx: NginxVersion,
        parent: Scope | None = None,
        certain: bool = True,
    ) -> None:
        self.module = module
        self.level = level
        self.nginx = nginx
        self.parent = parent
        self.certain: bool = certain and (parent is None or parent.certain)
        """Whether everything in this level and around it is known."""
        self.own, self.left_out = tree.level(directives)
        """The lines of this very level by name, and the names of those that a template may add to it."""
        self.unread = "include" in self.own
        """An include in this very level could not be read."""
        if self.unread or self.left_out:
            self.certain = False
        self._all_branches = tree.holds is None
        self._settings: dict[str, Setting] = {}
        self.headers: tuple[Header, ...] | None = None
        """What ``headers.headers`` works out of this level, once."""

    def first(self, name: str) -> Directive | None:
        """The first directive of that name in this very level."""
        lines = self.own.get(name)
        return lines[0] if lines else None

    def all(self, name: str) -> Sequence[Directive]:
        """All directives of that name in this very level, in order."""
        return self.own.get(name, ())

    def may_have(self, name: str) -> bool:
        """Whether a template may add a line of that name to this level."""
        return name in self.left_out or UNKNOWN in self.left_out

    def is_conditional(self, line: Directive) -> bool:
        """Whether a line may not be there: it is under a condition, and all branches are looked at in one."""
        return self._all_branches and bool(line.branch)

    def setting(self, name: str) -> Setting:
        """The effective value: the level's own, else inherited, else nginx's default of this version."""
        found = self._settings.get(name)
        if found is None:
            found = self._settings[name] = self._find(name)
        return found

    def _find(self, name: str) -> Setting:
        lines = self.own.get(name)
        if lines:
            certain = not any(map(self.is_conditional, lines))
            if name in ADDS_UP:
                values = tuple(value for line in lines for value in line.args)
            elif name in REPEATABLE:
                values = tuple(line.args[0] for line in lines if line.args)
            else:
                # A second line is refused by nginx ("directive is duplicate"), so the first is what is meant.
                lines, values = lines[:1], lines[0].args
            return Setting(name, values, tuple(lines), self.level, certain)
        if self.parent is not None:
            inherited = self.parent.setting(name)
            if inherited.certain and (self.unread or (inherited.is_default and not self.certain)):
                return inherited._replace(certain=False)
            return inherited
        return Setting(name, self._default(name), (), "default", self.certain)

    def _default(self, name: str) -> tuple[str, ...]:
        if name in ADDS_UP:
            return default_protocols(self.nginx)
        default = default_of(self.module, name)
        return () if default is None else (default,)
