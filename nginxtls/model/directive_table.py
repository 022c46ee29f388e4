"""The table of directives: where each is allowed, its default, and its first nginx version (nginx.org's index)."""

from __future__ import annotations

from functools import cache

from nginxtls.base.data import read_data
from nginxtls.base.lazy import NamedTuple
from nginxtls.model.versions import NginxVersion


class Entry(NamedTuple):
    """A row of ``directives.tsv``; ``source`` is who makes it: nginx, plus (NGINX Plus only), acme, njs or lua."""

    directive: str
    module: str
    contexts: tuple[str, ...]
    default: str | None
    since: NginxVersion | None
    syntax: str
    source: str

    @property
    def family(self) -> str:
        """``http``, ``stream``, ``mail``, ``core`` or ``acme``."""
        return self.module.partition("_")[0]


@cache
def entries() -> tuple[Entry, ...]:
    """The rows of the table."""
    rows = [row for row in read_data("nginxtls.model", "directives.tsv").splitlines() if not row.startswith("#")]
    return tuple(_entry(row.split("\t")) for row in rows[1:])


_since = cache(NginxVersion.parse)


def _entry(row: list[str]) -> Entry:
    directive, module, contexts, default, since, syntax, source = row
    return Entry(
        directive,
        module,
        tuple(contexts.split(",")),
        None if default == "-" else default,
        None if since == "-" else _since(since),
        syntax,
        source,
    )


@cache
def by_module_and_name() -> dict[tuple[str, str], Entry]:
    """The rows by module (``http``, ``stream`` …) and directive."""
    return {(entry.family, entry.directive): entry for entry in entries()}


@cache
def by_name() -> dict[str, tuple[Entry, ...]]:
    """The entries of each directive, one for each module that has it."""
    found: dict[str, tuple[Entry, ...]] = {}
    for entry in entries():
        found[entry.directive] = (*found.get(entry.directive, ()), entry)
    return found


@cache
def flags() -> frozenset[str]:
    """The directives whose value is on or off."""
    return frozenset(entry.directive for entry in entries() if entry.syntax == "on | off")


@cache
def tls_names() -> frozenset[str]:
    """The directives that settle how a server speaks TLS, but for its certificates and their keys."""
    modules = ("http_ssl", "stream_ssl", "mail_ssl", "http_v2", "http_v3")
    names = {entry.directive for entry in entries() if entry.module in modules}
    return frozenset(names | {"starttls", "resolver"}) - {"ssl_certificate", "ssl_certificate_key"}


def default_of(module: str, name: str) -> str | None:
    """The documented default of a directive, or None if it has none."""
    entry = by_module_and_name().get((module, name))
    return entry.default if entry else None
