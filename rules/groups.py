"""Rules about the groups of the key exchange and Diffie-Hellman parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.grouping import (
    default_is_sure,
    legacy_suites,
    listed,
    sockets,
    suites_by_version,
    titles,
    word_place,
)

from nginxtls.finding import Edit, Severity
from nginxtls.model.decides import by_origin, live_groups
from nginxtls.model.effective import groups_of, origin_of
from nginxtls.rule import NGINX_SSL, Fix, Rule, delete, label, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, VirtualServer
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import GroupList

SSL_ECDH_CURVE = f"{NGINX_SSL}#ssl_ecdh_curve"
SSL_DHPARAM = f"{NGINX_SSL}#ssl_dhparam"
GROUPS_LIST = "https://docs.openssl.org/3.5/man3/SSL_CTX_set1_curves/"
POST_QUANTUM = "X25519MLKEM768"
DRAFTS = {"X25519Kyber768Draft00": POST_QUANTUM, "x25519_kyber768": POST_QUANTUM, "X25519Kyber768": POST_QUANTUM}


class MissingPostQuantumGroup(Rule):
    """The list of groups leaves out the post-quantum ones, although this OpenSSL has them.

    Traffic that is recorded today can be read by whoever has a quantum computer one day, unless the key exchange was a
    hybrid one. All current browsers offer X25519MLKEM768 (RFC 10024). OpenSSL 3.5 has it in its default list, so it is
    the explicit `ssl_ecdh_curve` that switches it off.

    Mend: put `X25519MLKEM768` first, or remove `ssl_ecdh_curve`.

    Told only with an `--openssl-version` of 3.5 or newer: older ones refuse the name.

    ```nginx bad, openssl: 3.5.0
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ```

    ```nginx good, openssl: 3.5.0
    ssl_ecdh_curve X25519MLKEM768:X25519:prime256v1;
    ```

    ```nginx good, openssl: 3.0.20
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.1
    cwe = (327,)
    references = (
        "https://www.rfc-editor.org/rfc/rfc10024",
        "https://openssl-library.org/news/openssl-3.5-notes/",
        SSL_ECDH_CURVE,
    )
    since = "OpenSSL 3.5"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.facts.openssl_known or configuration.facts.openssl.version < (3, 5):
            return
        for directive, groups, endpoints in _group_lists(configuration):
            modern = [e for e in endpoints if "TLSv1.3" in suites_by_version(e)]
            if groups.error or not modern or any(g.post_quantum for g in groups.groups):
                continue
            arg = len(directive.args) - 1
            better = f"{POST_QUANTUM}:{directive.args[arg]}"
            yield self.at(
                directive,
                "no post-quantum group is offered, although OpenSSL "
                f"{configuration.facts.openssl} has {POST_QUANTUM} in its default list",
                arg=arg,
                help=f"put {POST_QUANTUM} first",
                fix=Fix(f"put {POST_QUANTUM} first", (replace_argument(directive, arg, better),)),
                endpoints=titles(modern),
            )


class UnsupportedPostQuantumGroup(Rule):
    """A post-quantum group is listed, but this OpenSSL is older than 3.5, and nginx does not start.

    `SSL_CTX_set1_curves_list("X25519MLKEM768:X25519") failed` (measured on OpenSSL 1.1.1w and 3.0.20). Not even
    `?X25519MLKEM768` helps: the question mark is of 3.3 and later.

    Mend: remove the group, or update OpenSSL.

    Told only with an `--openssl-version`. BoringSSL, AWS-LC and the oqs provider have such groups, too.

    ```nginx bad, openssl: 3.0.20
    ssl_ecdh_curve X25519MLKEM768:X25519;
    ```

    ```nginx good, openssl: 3.5.0
    ssl_ecdh_curve X25519MLKEM768:X25519;
    ```
    """

    severity = Severity.ERROR
    references = ("https://openssl-library.org/news/openssl-3.5-notes/", GROUPS_LIST)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.facts.openssl_known or configuration.facts.openssl.version >= (3, 5):
            return
        for directive, groups, endpoints in _group_lists(configuration):
            arg = len(directive.args) - 1
            for unknown in groups.unknown:
                if groups.error and _is_post_quantum(unknown.word):
                    yield self.at(
                        word_place(directive, arg, unknown.start, unknown.end),
                        f"nginx does not start: OpenSSL {configuration.facts.openssl} has no "
                        f"{unknown.word.lstrip('?*')}",
                        label="needs OpenSSL 3.5",
                        help="remove it, or update OpenSSL",
                        endpoints=titles(endpoints),
                    )
                    break


class UnknownGroup(Rule):
    """A group of the list is unknown to OpenSSL, and nginx does not start.

    Unlike unknown cipher words, an unknown group makes OpenSSL refuse the whole list. `P-256`, `prime256v1` and
    `secp256r1` are one group; up to 3.4 case matters, and 1.1.1 does not know `secp256r1` or `x25519` in small letters.

    Mend: write the name as this OpenSSL knows it.

    What it does not see: groups that providers add.

    ```nginx bad
    ssl_ecdh_curve X25519:prime256v2;
    ```

    ```nginx good
    ssl_ecdh_curve X25519:prime256v1;
    ```
    """

    severity = Severity.ERROR
    references = (GROUPS_LIST, SSL_ECDH_CURVE)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, groups, endpoints in _group_lists(configuration):
            arg = len(directive.args) - 1
            for unknown in groups.unknown if groups.error else ():
                if _is_post_quantum(unknown.word) or _new_syntax(configuration, unknown.word):
                    continue
                meant = DRAFTS.get(unknown.word) or unknown.suggestion
                place = word_place(directive, arg, unknown.start, unknown.end)
                who = f"OpenSSL {configuration.facts.openssl}" if configuration.facts.openssl_known else "OpenSSL"
                yield self.at(
                    place,
                    f'nginx does not start: {who} knows no group "{unknown.word}"',
                    help=f"write {meant}" if meant else "remove it",
                    fix=Fix(f"write {meant}", (Edit(place, meant),)) if meant else None,
                    endpoints=titles(endpoints),
                )
                break


class GroupSyntaxTooNew(Rule):
    """The list of groups uses the signs of OpenSSL 3.5 (`/`, `*`, `?`, `-`), which older ones refuse.

    With OpenSSL before 3.5 nginx does not start (3.3 and 3.4 know the question mark alone; measured on 3.0.20).

    Mend: write plain names with colons, or update OpenSSL.

    Told only with an `--openssl-version`.

    ```nginx bad, openssl: 3.0.20
    ssl_ecdh_curve *X25519/prime256v1:secp384r1;
    ```

    ```nginx good, openssl: 3.5.0
    ssl_ecdh_curve *X25519/prime256v1:secp384r1;
    ```
    """

    severity = Severity.ERROR
    references = (GROUPS_LIST,)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, groups, endpoints in _group_lists(configuration):
            arg = len(directive.args) - 1
            for unknown in groups.unknown if groups.error else ():
                if _new_syntax(configuration, unknown.word) and not _is_post_quantum(unknown.word):
                    yield self.at(
                        word_place(directive, arg, unknown.start, unknown.end),
                        f"nginx does not start: OpenSSL {configuration.facts.openssl} cannot read {unknown.word}",
                        label="syntax of OpenSSL 3.5",
                        help="write plain names with colons",
                        endpoints=titles(endpoints),
                    )
                    break


class RefusedGroupList(Rule):
    """OpenSSL refuses the list of groups for another reason than an unknown name, and nginx does not start.

    Up to 3.4 a group may not be there twice (measured on 1.1.1w and 3.0.20; 3.5 and 3.6 take it); no element may be
    empty; from 3.5 on at most four key shares may be asked for with `*`.

    Mend: as the message says.

    ```nginx bad, openssl: 3.0.20
    ssl_ecdh_curve X25519:prime256v1:X25519;
    ```

    ```nginx good, openssl: 3.0.20
    ssl_ecdh_curve X25519:prime256v1;
    ```
    """

    severity = Severity.ERROR
    references = (GROUPS_LIST, SSL_ECDH_CURVE)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, groups, endpoints in _group_lists(configuration):
            if groups.error and not groups.unknown:
                arg = len(directive.args) - 1
                start, end = groups.error_at or (0, 0)
                place = word_place(directive, arg, start, end) if end > start else None
                yield self.at(
                    place or directive,
                    f"nginx does not start: OpenSSL refuses the list of groups, {groups.error}",
                    arg=None if place else arg,
                    help="mend the list",
                    endpoints=titles(endpoints),
                )


class WeakGroup(Rule):
    """A group below 224 bits, or one on a binary field, is offered.

    Curves of 160 and 192 bits are within reach of attackers with money. Binary-field curves (`sect…`) were retired by
    RFC 8422 and NIST; nobody offers them any more.

    Mend: leave X25519MLKEM768, X25519, prime256v1 and secp384r1.

    ```nginx bad
    ssl_ecdh_curve X25519:prime192v1;
    ```

    ```nginx bad
    ssl_ecdh_curve sect283r1:X25519;
    ```

    ```nginx good
    ssl_ecdh_curve X25519:prime256v1;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (326,)
    references = ("https://www.rfc-editor.org/rfc/rfc8422", SSL_ECDH_CURVE)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, groups, endpoints in _group_lists(configuration):
            weak = [g for g in groups.groups if g.bits < 112 or g.name.startswith("sect")]
            if weak:
                arg = len(directive.args) - 1
                value = directive.args[arg]
                spelt = next((n for n in (weak[0].name, *weak[0].aliases) if n.lower() in value.lower()), None)
                at = value.lower().index(spelt.lower()) if spelt else 0
                place = word_place(directive, arg, at, at + len(spelt)) if spelt else directive
                yield self.at(
                    place,
                    f"weak groups are in the list: {listed([g.name for g in weak])}",
                    help="remove them",
                    endpoints=titles(endpoints),
                )


class SingleGroup(Rule):
    """Only one classical group is offered.

    A client whose first guess is another group needs a second round trip, and one that lacks it gets no handshake.
    `secp384r1` alone is often copied from old guides, and slower than X25519 at no gain that counts.

    Mend: `ssl_ecdh_curve X25519:prime256v1:secp384r1;` or no line at all.

    ```nginx bad
    ssl_ecdh_curve secp384r1;
    ```

    ```nginx good
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ```
    """

    severity = Severity.NOTE
    pedantic = True
    references = ("https://www.rfc-editor.org/rfc/rfc8446#section-4.1.4", SSL_ECDH_CURVE)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, groups, endpoints in _group_lists(configuration):
            if len(groups.groups) == 1 and not groups.groups[0].post_quantum:
                yield self.at(
                    directive,
                    f"{groups.groups[0].name} is the only group offered",
                    arg=len(directive.args) - 1,
                    help="add X25519 and prime256v1, or remove the line",
                    endpoints=titles(endpoints),
                )


class IgnoredGroups(Rule):
    """`ssl_ecdh_curve` in a server that is not the default server of its socket does nothing.

    OpenSSL takes the groups of the default server for every name on the socket, on all versions of nginx (measured:
    with P-384 in the default server and P-256 in the other, clients of the other get P-384 on 1.18.0, 1.22.1, 1.26.3
    and 1.30.6). The same goes for `ssl_conf_command Groups` and `Curves`.

    Mend: set the groups at the http level.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_ecdh_curve X25519:secp384r1;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_ecdh_curve X25519:prime256v1;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_ecdh_curve X25519:secp384r1;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_ecdh_curve x25519:P-384;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 3.1
    cwe = (665,)
    references = (SSL_ECDH_CURVE, "https://nginx.org/en/docs/http/server_names.html#virtual_server_selection")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        found: dict[Directive, list[Endpoint]] = {}
        for endpoint in live_groups(configuration):
            server, default = endpoint.server, endpoint.socket.default
            if server is default or not default_is_sure(endpoint.socket, configuration):
                continue
            mine, theirs = origin_of(server, "ssl_ecdh_curve"), origin_of(default, "ssl_ecdh_curve")
            if mine is theirs or (theirs is None and not default.setting("ssl_ecdh_curve").certain):
                continue
            place = mine if mine is not None and _own(server, mine) else theirs
            if place is None or not all(line is None or line.known for line in (mine, theirs)):
                continue
            if _names(groups_of(server)) != _names(groups_of(default)):
                found.setdefault(place, []).append(endpoint)
        for place, endpoints in found.items():
            default = endpoints[0].socket.default
            theirs = origin_of(default, "ssl_ecdh_curve")
            if place is theirs:
                message = f"these groups hold for every name on {sockets(endpoints)}, not for this one server"
            else:
                has = listed([g.name for g in groups_of(default).groups]) if theirs else "OpenSSL's own"
                shared = sockets(endpoints)
                message = f"these groups are not used on {shared}: its default server's hold for every name, {has}"
            winner = theirs or default.directive
            yield self.at(
                place,
                message,
                labels=[label(winner, "decides for every name on the socket")]
                if winner and winner is not place
                else (),
                help="set the groups at the http level",
                endpoints=titles(endpoints),
            )


class ConfCommandOverridesGroups(Rule):
    """`ssl_conf_command Groups` or `Curves` overrides `ssl_ecdh_curve`.

    nginx applies `ssl_conf_command` last (measured on nginx 1.22.1, 1.26.3 and 1.30.6, silently).

    Mend: keep `ssl_ecdh_curve`.

    Silent where both give the same groups.

    ```nginx bad
    ssl_ecdh_curve X25519:prime256v1;
    ssl_conf_command Groups secp384r1:X25519;
    ```

    ```nginx good
    ssl_ecdh_curve X25519:prime256v1;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    cwe = (1188,)
    references = ("https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/", f"{NGINX_SSL}#ssl_conf_command")
    since = "nginx 1.19.4"
    needs = ("ssl_conf_command",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        from nginxtls.tls import evaluate_groups

        seen: set[tuple[Directive, Directive]] = set()
        for server in configuration.servers:
            command, line = server.conf_command("Groups", "Curves"), server.setting("ssl_ecdh_curve").origin
            if command is None or line is None or not line.known or (command[1], line) in seen:
                continue
            seen.add((command[1], line))
            plain = evaluate_groups(server.setting("ssl_ecdh_curve").value, configuration.facts.openssl)
            if plain.groups != evaluate_groups(command[0], configuration.facts.openssl).groups:
                yield self.at(
                    command[1],
                    f"this {command[1].args[0]} overrides ssl_ecdh_curve",
                    labels=[label(line, "not used")],
                    help="keep ssl_ecdh_curve",
                )


class WeakDhparam(Rule):
    """The Diffie-Hellman parameters have fewer than 2048 bits.

    A prime of 1024 bits is within the reach of a state, and the common ones have probably been broken (Logjam). OpenSSL
    3 refuses less than 2048 bits at its default level 2, and nginx does not start; 1.1.1 loads the file, and handshakes
    with DHE fail (measured).

    Mend: remove `ssl_dhparam` (ECDHE needs none), or use the 2048-bit group of RFC 7919.

    ```nginx bad, certificate: good-rsa.pem
    ssl_dhparam certificates/dh1024.pem;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_dhparam certificates/dh2048.pem;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.4
    cwe = (326,)
    references = (
        "https://www.rfc-editor.org/rfc/rfc9325#section-4.1",
        "https://nvd.nist.gov/vuln/detail/CVE-2015-4000",
        "https://www.rfc-editor.org/rfc/rfc7919",
        SSL_DHPARAM,
    )
    directives = ("ssl_dhparam",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        bits = _bits(directive, configuration)
        if bits is not None and bits < 2048:
            yield self.at(
                directive,
                f"the Diffie-Hellman parameters have {bits} bits, less than 2048",
                arg=0,
                label=f"{bits} bits",
                help="remove ssl_dhparam, or use the 2048-bit group of RFC 7919",
            )


class OversizedDhparam(Rule):
    """The Diffie-Hellman parameters have more than 4096 bits.

    Each handshake with them costs the server dearly, which invites whoever wants to exhaust it (D(HE)at,
    CVE-2002-20001), and adds nothing that counts.

    Mend: remove `ssl_dhparam`, or use the 2048-bit group of RFC 7919.

    ```nginx bad, certificate: good-rsa.pem
    ssl_dhparam certificates/dh8192.pem;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_dhparam certificates/dh2048.pem;
    ```
    """

    severity = Severity.NOTE
    security_severity = 2.0
    cwe = (400,)
    references = ("https://nvd.nist.gov/vuln/detail/CVE-2002-20001", SSL_DHPARAM)
    directives = ("ssl_dhparam",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        bits = _bits(directive, configuration)
        if bits is not None and bits > 4096:
            yield self.at(
                directive, f"the Diffie-Hellman parameters have {bits} bits", arg=0, help="use the group of 2048 bits"
            )


class UnusedDhparam(Rule):
    """`ssl_dhparam` is set, but no suite with DHE can be negotiated.

    The cipher string has none, or the certificate's key fits none. The line is a leftover.

    Mend: remove it. No client notices.

    ```nginx bad
    ssl_dhparam certificates/dh2048.pem;
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_dhparam certificates/dh2048.pem;
    ssl_ciphers ECDHE+AESGCM:DHE+AESGCM;
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = (SSL_DHPARAM, "https://wiki.mozilla.org/Security/Server_Side_TLS")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness == "snippet":
            return
        for directive, endpoints in by_origin(configuration, "ssl_dhparam").items():
            if directive is None or not directive.known:
                continue
            sure = [e for e in endpoints if e.tls.ciphers.known and (e.tls.ciphers.certain or e.tls.ciphers.directives)]
            if len(sure) < len(endpoints) or any(_has_dhe(e) for e in endpoints):
                continue
            if (_bits(directive, configuration) or 2048) < 2048:
                continue  # weak-dhparam says enough
            yield self.at(
                directive,
                "ssl_dhparam is of no use: no suite with DHE can be negotiated",
                help="remove it; no client notices",
                fix=Fix("remove ssl_dhparam", (delete(directive),), safe=True),
                endpoints=titles(endpoints),
            )


# -- lists -------------------------------------------------------------------------------------------------------------


def _group_lists(configuration: Configuration) -> Iterator[tuple[Directive, GroupList, list[Endpoint]]]:
    """The lists of groups that nginx loads and that can be judged, each with the endpoints of its servers."""
    found: dict[Directive, tuple[VirtualServer, list[Endpoint]]] = {}
    for endpoint in live_groups(configuration):
        for server in dict.fromkeys((endpoint.socket.default, endpoint.server)):
            directive = origin_of(server, "ssl_ecdh_curve")
            if directive is not None and directive.known and directive.args and "$" not in directive.args[-1]:
                users = found.setdefault(directive, (server, []))[1]
                if not users or users[-1] is not endpoint:
                    users.append(endpoint)
    for directive, (server, endpoints) in found.items():
        groups = groups_of(server)
        if not groups.default:
            yield directive, groups, endpoints


def _own(server: VirtualServer, directive: Directive) -> bool:
    return directive in server.scope.all(directive.name)


def _names(groups: GroupList) -> list[str]:
    return [g.name for g in groups.groups]


def _is_post_quantum(word: str) -> bool:
    return "MLKEM" in word.upper()


def _new_syntax(configuration: Configuration, word: str) -> bool:
    old = configuration.facts.openssl_known and configuration.facts.openssl.version < (3, 5)
    return old and (word[:1] in ("?", "*", "-") or "/" in word or word.upper() == "DEFAULT")


def _bits(directive: Directive, configuration: Configuration) -> int | None:
    if not directive.args or not directive.known or not configuration.store.was_read(directive.args[0]):
        return None
    return configuration.store.dhparam_bits(directive.args[0], directive)


def _has_dhe(endpoint: Endpoint) -> bool:
    if not endpoint.tls.bundles:
        # Without any certificate in sight RSA is assumed.
        return any(s.key_exchange == "DHE" for s in endpoint.tls.evaluation.suites)
    return any(s.key_exchange == "DHE" for s in legacy_suites(endpoint))
