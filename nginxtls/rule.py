"""A rule: one class that finds one fault, with its documentation and its hooks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from nginxtls.base.lazy import NamedTuple, cached_property, pattern
from nginxtls.finding import Confidence, Edit, Finding, Fix, Label, Location, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nginxtls.model import Configuration, Endpoint, ServedBundle, Upstream, VirtualServer
    from nginxtls.syntax.tree import Directive

__all__ = ["Confidence", "Example", "Finding", "Fix", "Label", "Location", "Rule", "Severity"]

NGINX_SSL = "https://nginx.org/en/docs/http/ngx_http_ssl_module.html"


class Example(NamedTuple):
    """A fenced example of a rule's documentation, ``good`` or ``bad``, with options: ``certificate: expired.pem``."""

    good: bool
    code: str
    options: dict[str, str]


class Rule:
    """Base of all rules. A subclass sets the class variables, documents itself and overrides the hooks it needs.

    The docstring's first paragraph is the short description; what follows is Markdown: why it matters, what clients
    experience (a paragraph that begins with ``Clients:``), how to fix it (``Fix:``), what it does not see, and examples
    in fences marked ```` ```nginx bad ```` and ```` ```nginx good ````.
    The name is the class's name in kebab-case. A rule keeps no state; each hook yields findings.
    """

    severity: ClassVar[Severity] = Severity.WARNING
    security_severity: ClassVar[float] = 0.0
    confidence: ClassVar[Confidence] = Confidence.CERTAIN
    references: ClassVar[tuple[str, ...]] = ()
    cwe: ClassVar[tuple[int, ...]] = ()
    pedantic: ClassVar[bool] = False
    """Hardening advice: runs only with --pedantic or when selected by name."""
    needless: ClassVar[bool] = False
    """Whether its fault is a useless line. In a template, the line must be useless in every branch to be reported."""
    directives: ClassVar[tuple[str, ...]] = ()
    """The directives for which ``check_directive`` is called."""
    decides: ClassVar[tuple[str, ...]] = ()
    """The settings for whose deciding directives ``check_setting`` is called."""
    needs: ClassVar[tuple[str, ...]] = ()
    """The rule finds nothing in a configuration without any of these directives (``proxy_ssl_*`` is a pattern).
    ``check_server`` is called for the servers that have one, in a block in them or at a level around them; the other
    hooks if one is in the configuration."""
    since: ClassVar[str] = ""
    """Since which nginx or OpenSSL version the fault matters, as text; empty: always."""

    def check_configuration(self, configuration: Configuration) -> Iterable[Finding]:
        """Called once for the whole configuration."""
        return ()

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterable[Finding]:
        """Called once per virtual server, with or without TLS."""
        return ()

    def check_endpoint(self, endpoint: Endpoint, configuration: Configuration) -> Iterable[Finding]:
        """Called once per virtual server on each TLS socket that it listens on."""
        return ()

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterable[Finding]:
        """Called once per certificate bundle that could be read and is served somewhere."""
        return ()

    def check_upstream(self, upstream: Upstream, configuration: Configuration) -> Iterable[Finding]:
        """Called once per place that connects to an upstream over TLS."""
        return ()

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterable[Finding]:
        """Called once per directive that decides a setting of ``decides``, with the endpoints that it decides for.

        An ``ssl_conf_command`` that overrides the setting counts as the deciding directive. Endpoints that reject every
        handshake on purpose are left out; each endpoint represents its group (``Endpoint.everyone``).
        """
        return ()

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterable[Finding]:
        """Called once per directive named in ``directives``, in any block."""
        return ()

    # -- names and documentation ----------------------------------------------------------------------------------

    @cached_property
    def name(self) -> str:
        """``MissingIntermediate`` → ``missing-intermediate``; digits stay with the word before: ``tls13``."""
        return _WORD_STARTS.sub("-", type(self).__name__).lower()

    @cached_property
    def topic(self) -> str:
        """The module or package of rules that the class is in: ``protocols``, ``chain`` …"""
        module = type(self).__module__
        inside = module.partition("nginxtls.rules.")[2]
        return inside.partition(".")[0] or module.rpartition(".")[2]

    @cached_property
    def documentation(self) -> str:
        """The docstring, dedented Markdown."""
        from inspect import cleandoc

        return cleandoc(type(self).__doc__ or "")

    @cached_property
    def summary(self) -> str:
        """The first paragraph of the documentation on one line."""
        return " ".join(self.documentation.partition("\n\n")[0].split())

    @cached_property
    def experience(self) -> str:
        """What clients experience: the paragraph that begins with ``Clients:``, on one line; empty if there is none."""
        found = _CLIENTS.search(self.documentation)
        return " ".join(found[1].split()) if found else ""

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """The examples of the documentation."""
        return tuple(_examples(self.documentation))

    # -- making findings --------------------------------------------------------------------------------------------

    def at(
        self,
        place: Directive | Location,
        message: str,
        *,
        arg: int | None = None,
        label: str = "",
        labels: Iterable[Label] = (),
        notes: Iterable[str] = (),
        help: str = "",
        fix: Fix | None = None,
        endpoints: Iterable[str] = (),
        confidence: Confidence | None = None,
        also: Iterable[Directive] = (),
    ) -> Finding:
        """A finding of this rule at a directive (or at its argument number ``arg``, from 0) or any location.

        ``also`` are other directives with the same fault: it is reported at one of them if only that file is requested.
        """
        return Finding(
            rule=self.name,
            severity=self.severity,
            message=message,
            location=locate(place, arg),
            label=label,
            labels=tuple(labels),
            notes=tuple(notes),
            help=help,
            fix=fix,
            endpoints=tuple(endpoints),
            confidence=confidence or self.confidence,
            security_severity=self.security_severity,
            also=tuple((each, arg) for each in also),
        )


def locate(place: Directive | Location, arg: int | None = None) -> Location:
    """The location of a directive (name to last argument) or of its argument number ``arg``."""
    if isinstance(place, Location):
        return place
    return Location(place.file, place.span if arg is None else place.arg_span(arg))


def label(place: Directive | Location, text: str, arg: int | None = None) -> Label:
    """A secondary place of a finding."""
    return Label(locate(place, arg), text)


def delete(directive: Directive) -> Edit:
    """The edit that removes a directive with its terminator, and the line if nothing else is on it."""
    return Edit(Location(directive.file, directive.file.removal_span(directive)), "")


def replace_argument(directive: Directive, arg: int, text: str) -> Edit:
    """The edit that writes ``text`` in place of an argument, quotes included."""
    return Edit(locate(directive, arg), text)


_WORD_STARTS = pattern(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CLIENTS = pattern(r"^Clients: (.*?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
_FENCE = pattern(r"^```nginx (good|bad)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _examples(documentation: str) -> Iterator[Example]:
    for verdict, options, code in _FENCE.findall(documentation):
        pairs = (part.split(":", 1) for part in options.strip(" ,").split(",") if ":" in part)
        yield Example(verdict == "good", code, {key.strip(): value.strip() for key, value in pairs})
