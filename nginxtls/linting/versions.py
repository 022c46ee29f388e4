"""The versions that a report is made for, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.linting.report import MadeFor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nginxtls.model import Configuration
    from nginxtls.model.alternatives import Alternatives


def made_for(pairs: Iterable[tuple[Configuration, Alternatives | None]]) -> tuple[MadeFor, ...]:
    """What each configuration was judged by; those that were judged alike together."""
    found: dict[MadeFor, list[str]] = {}
    for configuration, alternatives in pairs:
        name = configuration.tree.roots[0].name
        found.setdefault(judged_by(configuration, alternatives), []).append(name)
    return with_names(found)


def with_names(found: Mapping[MadeFor, Iterable[str]]) -> tuple[MadeFor, ...]:
    """The entries with the names of their configurations."""
    return tuple(entry._replace(configurations=tuple(names)) for entry, names in found.items())


def judged_by(configuration: Configuration, alternatives: Alternatives | None) -> MadeFor:
    """The versions that a configuration is judged by, without its name."""
    facts = configuration.facts
    provenance = facts.provenance
    nginx = str(facts.nginx) if facts.nginx is not None else None
    openssl = str(facts.openssl) if facts.openssl_known else None
    builds = alternatives.builds if alternatives is not None else ()
    return MadeFor(
        nginx,
        openssl,
        provenance.package,
        provenance.source,
        provenance.likely,
        tuple((str(build.nginx), str(build.openssl), build.where) for build in builds),
        _text(nginx, openssl, provenance.package, provenance.source or "given", alternatives),
        (),
    )


def _text(nginx: str | None, openssl: str | None, package: str, source: str, alternatives: Alternatives | None) -> str:
    named = f"nginx {nginx}" + (f" (package {package})" if package else "")
    if nginx and openssl:
        return f"{named}, OpenSSL {openssl}: {source}"
    if alternatives is None or not alternatives.builds:
        return f"{named if nginx else f'OpenSSL {openssl}' if openssl else 'not known'}: {source}"
    some_nginx, some_openssl = alternatives.span
    if nginx:
        return f"{named}: {source}; OpenSSL not known: {some_openssl.removeprefix('OpenSSL ')}"
    if openssl:
        return f"OpenSSL {openssl}: {source}; nginx not known: {some_nginx.removeprefix('nginx ')}"
    return f"not known, so {some_nginx}, {some_openssl}{_why(alternatives)}"


def _why(alternatives: Alternatives) -> str:
    """Why older builds are left out, if they are."""
    needed = alternatives.needed
    if needed is None or not alternatives.narrowed:
        return ""
    return f" ({needed.name} needs nginx {needed.nginx})"
