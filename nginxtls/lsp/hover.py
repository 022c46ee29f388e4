"""What an editor shows for the word under the pointer: the directive, its effective value, certificates, suites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.errors import printable
from nginxtls.linting.registry import installed_rules
from nginxtls.linting.suppression import suppressions
from nginxtls.lsp.context import MODULES, blocks_around, endpoints_of, servers_of
from nginxtls.model.directive_table import by_name
from nginxtls.model.effective import DECIDES, origin_of
from nginxtls.tls import CipherString, evaluate_groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from nginxtls.lsp.context import Spot
    from nginxtls.lsp.places import Places
    from nginxtls.model import Endpoint, ServedBundle, Upstream
    from nginxtls.model.directive_table import Entry
    from nginxtls.pki import Certificate
    from nginxtls.syntax.tree import Directive

MOST = 40
"""No more suites, groups or names are listed."""
LONG = 200
"""Longer syntax, such as that of ``listen``, is cut, in characters."""
MOST_VALUES = 4
"""No more different effective values are."""


def hover(spot: Spot, places: Places, rules: Sequence[str]) -> str:
    """The text in Markdown, empty if there is nothing to show; ``rules`` are those that report something there."""
    parts = [_rule_in_comment(spot)]
    directive = spot.directive
    if directive is not None and spot.word is not None:
        parts += [
            *_table(spot, directive),
            *_effective(spot, directive, places),
            *_certificate(spot, directive),
            *_suites(spot, directive),
            *_groups(spot, directive),
        ]
    known = installed_rules()
    parts += (f"**{name}**: {known[name].summary}" for name in dict.fromkeys(rules) if name in known)
    return "\n\n".join(filter(None, parts))


def _rule_in_comment(spot: Spot) -> str:
    """The page of the rule that a suppression comment names at the place."""
    line, column = spot.file.position(spot.offset)
    for suppression in suppressions(spot.file):
        for name, place in suppression.names.items():
            span = place.span
            if name in installed_rules() and span.line == line and span.column <= column <= span.end_column:
                rule = installed_rules()[name]
                return f"**{name}** ({rule.severity}, topic {rule.topic})\n\n{rule.documentation.partition('```')[0]}"
    return ""


def _table(spot: Spot, directive: Directive) -> Iterator[str]:
    """The directive in nginx's documentation, as the module around it has it; of unknown ones, as each."""
    blocks = blocks_around(spot.configuration, spot.file, directive)
    found = by_name().get(directive.name, ())
    here = [entry for entry in found if entry.family in blocks or entry.family not in MODULES]
    for entry in here or found:
        yield "\n".join(_facts(entry))


def _facts(entry: Entry) -> Iterator[str]:
    syntax = entry.syntax if len(entry.syntax) <= LONG else f"{entry.syntax[:LONG]}…"
    yield f"**{entry.directive}** {code(syntax)}\n"
    default = code(entry.default) if entry.default is not None else "none"
    since = f", since nginx {entry.since}" if entry.since else ""
    only = " (NGINX Plus only)" if entry.source == "plus" else ""
    yield f"{entry.module} module{only}: in {', '.join(entry.contexts)}; default {default}{since}"


# -- effective values --------------------------------------------------------------------------------------------------


def _effective(spot: Spot, directive: Directive, places: Places) -> Iterator[str]:
    """The values that apply where the directive is written, each with where it comes from."""
    name = directive.name
    if name.startswith(("proxy_ssl", "grpc_ssl", "uwsgi_ssl")):
        yield _listed(_upstream_values(spot, directive, places))
    elif name in DECIDES or name.startswith("ssl_"):
        yield _listed(_values(spot, directive, places))


def _values(spot: Spot, directive: Directive, places: Places) -> Iterator[str]:
    name = directive.name
    found: dict[tuple[tuple[str, ...], Directive | None, str], list[Endpoint]] = {}
    for endpoint in endpoints_of(spot.configuration, servers_of(spot.configuration, directive)):
        decided = endpoint.tls.decided_by(name)
        setting, origin = decided.setting(name), origin_of(decided, name)
        why = "" if decided is endpoint.server else f", decided by {decided.title}"
        values = setting.values if origin is None or origin.name == name else origin.args[1:]
        found.setdefault((values, origin, why), []).append(endpoint)
    for (values, origin, why), endpoints in found.items():
        line = f"effective for {_titles(endpoints)}: {code(' '.join(values))}{_origin(spot, origin, places)}{why}"
        if name == "ssl_protocols":
            line += f"; clients get {_protocols(spot, endpoints[0])}"
        yield line


def _upstream_values(spot: Spot, directive: Directive, places: Places) -> Iterator[str]:
    found: dict[tuple[tuple[str, ...], Directive | None], list[Upstream]] = {}
    blocks = {directive.parent}
    for upstream in spot.configuration.upstreams:
        setting = upstream.scope.setting(directive.name)
        if directive in setting.directives or upstream.directive.parent in blocks:
            found.setdefault((setting.values, setting.origin), []).append(upstream)
    for (values, origin), upstreams in found.items():
        targets = _some([upstream.target for upstream in upstreams])
        yield f"effective for {targets}: {code(' '.join(values))}{_origin(spot, origin, places)}"


def _origin(spot: Spot, origin: Directive | None, places: Places) -> str:
    facts = spot.configuration.facts
    if origin is None:
        return f", the default of nginx {facts.assumed_nginx}" + ("" if facts.nginx else " (assumed)")
    if origin is spot.directive:
        return ", from this line"
    return f", from [{origin.file.name}:{origin.line}]({places.document(origin.file)[0]}#L{origin.line})"


def _protocols(spot: Spot, endpoint: Endpoint) -> str:
    """The versions in which a handshake can succeed, over all builds in question."""
    served = protocols(spot, endpoint)
    if len(served) == 1:
        return ", ".join(next(iter(served))) or "no handshake"
    return "; ".join(f"{', '.join(versions) or 'no handshake'} with {part}" for versions, part in served.items())


def protocols(spot: Spot, endpoint: Endpoint) -> dict[tuple[str, ...], str]:
    """The protocol versions that clients of an endpoint get, by the builds in words; one entry if all agree."""
    alternatives = spot.subject.alternatives
    if alternatives is None or not alternatives.matter:
        return {endpoint.tls.versions: ""}
    return alternatives.protocols(endpoint)


def _titles(endpoints: Sequence[Endpoint]) -> str:
    return _some([endpoint.title for endpoint in endpoints])


def _some(names: Sequence[str], most: int = 3) -> str:
    distinct = [*dict.fromkeys(names)]
    more = f" and {len(distinct) - most} more" if len(distinct) > most else ""
    return ", ".join(map(printable, distinct[:most])) + more


# -- certificates ------------------------------------------------------------------------------------------------------


def bundle_of(spot: Spot, directive: Directive) -> ServedBundle | None:
    """The bundle that an ``ssl_certificate`` or ``ssl_certificate_key`` line loads."""
    for bundle in spot.configuration.bundles:
        lines = (bundle.directive, *bundle.also, bundle.key_directive, *bundle.also_key)
        if directive in lines:
            return bundle
    return None


def _certificate(spot: Spot, directive: Directive) -> Iterator[str]:
    if directive.name not in ("ssl_certificate", "ssl_certificate_key"):
        return
    bundle = bundle_of(spot, directive)
    if bundle is None:
        return
    if directive.name == "ssl_certificate_key":
        yield _key(bundle)
        return
    at = spot.configuration.facts.at
    leaf = bundle.leaf
    if leaf is None:
        yield f"not checked: {printable(bundle.unreadable)}" if bundle.bundle is None else "it has no certificate"
        return
    yield f"names: {_some([san.value for san in leaf.sans], MOST) or 'none'}"
    yield f"expires: {expiry(leaf, at)}"
    sent = bundle.bundle.certificates if bundle.bundle else (leaf,)
    lines = [f"{number}. {_named(each)}, {expiry(each, at)}" for number, each in enumerate(sent[:10], 1)]
    yield "chain as sent:\n\n" + "\n".join(lines)
    if bundle.chain is not None:
        reasons = "".join(f"\n- {printable(reason.message)}" for reason in bundle.chain.reasons)
        yield f"verdict of a client without cached intermediates: {bundle.chain.verdict}{reasons}"


def _key(bundle: ServedBundle) -> str:
    """What may be said of a key: its type, and whether it belongs to the certificate."""
    if bundle.key is None:
        return f"not checked: {printable(bundle.key_unreadable)}"
    match = {True: "it belongs to the certificate", False: "it does not belong to the certificate"}
    return f"{bundle.key.key.kind} key: {match.get(bundle.key_matches or False, '')}"


def _named(certificate: Certificate) -> str:
    return f"{printable(certificate.subject_name)}, issued by {printable(certificate.issuer_name)}"


def expiry(certificate: Certificate, at: datetime) -> str:
    """``2026-10-01, 54 days ago``; ``2027-02-01, 64 days left``."""
    if not certificate.has_dates:
        return "no date"
    return f"{certificate.not_after.date().isoformat()}, {days_left(certificate, at)}"


def days_left(certificate: Certificate, at: datetime) -> str:
    """``64 days left``, ``expired 1 day ago``."""
    days = (certificate.not_after - at).days
    many = f"{abs(days)} day{'' if abs(days) == 1 else 's'}"
    return f"{many} left" if days >= 0 else f"expired {many} ago"


# -- suites and groups -------------------------------------------------------------------------------------------------


def _suites(spot: Spot, directive: Directive) -> Iterator[str]:
    if not directive.name.endswith("ssl_ciphers") or not directive.args:
        return
    evaluation = CipherString(directive.args[0]).evaluate(spot.configuration.facts.openssl)
    if evaluation.error:
        yield f"OpenSSL {evaluation.openssl} rejects this string: {evaluation.error}"
        return
    usable = evaluation.usable()
    yield f"{len(usable)} suites with OpenSSL {evaluation.openssl}:\n\n" + _listed(
        (code(suite.name) + ("" if suite.forward_secrecy else ", no forward secrecy") for suite in usable), MOST
    )
    if evaluation.unknown:
        yield f"skipped: {_some([word.word for word in evaluation.unknown])}"


def _groups(spot: Spot, directive: Directive) -> Iterator[str]:
    if directive.name != "ssl_ecdh_curve" or not directive.args:
        return
    found = evaluate_groups(directive.args[0], spot.configuration.facts.openssl)
    if found.error:
        yield f"OpenSSL {spot.configuration.facts.openssl} rejects this list: {found.error}"
    else:
        yield "groups:\n\n" + _listed((code(group.name) for group in found.groups), MOST)


def _listed(lines: Iterable[str], most: int = MOST_VALUES) -> str:
    every = list(lines)
    more = [f"and {len(every) - most} more"] if len(every) > most else []
    return "\n".join(f"- {line}" for line in (*every[:most], *more))


def code(text: str) -> str:
    """A text of the configuration as code in Markdown."""
    return f"`{printable(text).replace('`', chr(39))}`" if text else "``(empty)``"
