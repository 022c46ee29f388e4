"""Rules about the groups of the key exchange and Diffie-Hellman parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import for_default_server, moved, quoted, removal
from nginxtls.rules.common.grouping import default_is_sure, listed, sockets, titles, word_place

from nginxtls.finding import Edit, Severity
from nginxtls.model.decides import live_groups
from nginxtls.model.effective import groups_of, origin_of
from nginxtls.model.offered import legacy_suites, suites_by_version
from nginxtls.rule import NGINX_SSL, Fix, Rule, delete, label, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, VirtualServer
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import Group, GroupList

SSL_ECDH_CURVE = f"{NGINX_SSL}#ssl_ecdh_curve"
SSL_DHPARAM = f"{NGINX_SSL}#ssl_dhparam"
GROUPS_LIST = "https://docs.openssl.org/3.5/man3/SSL_CTX_set1_curves/"
POST_QUANTUM = "X25519MLKEM768"
DRAFTS = {"X25519Kyber768Draft00": POST_QUANTUM, "x25519_kyber768": POST_QUANTUM, "X25519Kyber768": POST_QUANTUM}


class MissingPostQuantumGroup(Rule):
    """The list of groups lacks the post-quantum ones, although this OpenSSL supports them.

    Traffic that is recorded today can one day be decrypted with a quantum computer, unless the key exchange was hybrid.
    All current browsers offer X25519MLKEM768 (RFC 10024). OpenSSL 3.5 has it in its default list, so it is the explicit
    `ssl_ecdh_curve` that disables it.

    Clients: no difference today. Someone who records the traffic may be able to decrypt it in the future.

    Fix: put `X25519MLKEM768` first, or remove `ssl_ecdh_curve`.

    Reported only with an `--openssl-version` of 3.5 or later: earlier versions refuse the name.

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
                f"no post-quantum group is offered, although OpenSSL {configuration.facts.openssl} has {POST_QUANTUM}"
                " in its default list",
                arg=arg,
                help=f"put `{POST_QUANTUM}` first",
                fix=Fix(f"put `{POST_QUANTUM}` first", (replace_argument(directive, arg, better),)),
                endpoints=titles(modern),
            )


class UnsupportedPostQuantumGroup(Rule):
    """A post-quantum group is listed, but this OpenSSL is older than 3.5, and nginx does not start.

    `SSL_CTX_set1_curves_list("X25519MLKEM768:X25519") failed` (measured on OpenSSL 1.1.1w and 3.0.20). Not even
    `?X25519MLKEM768` works: the question mark exists since 3.3.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: remove the group, or update OpenSSL.

    Reported only with `--openssl-version`. BoringSSL, AWS-LC and the oqs provider also have such groups.

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
                        f"nginx does not start: OpenSSL {configuration.facts.openssl} does not support"
                        f" {unknown.word.lstrip('?*')}",
                        label="needs OpenSSL 3.5",
                        help="remove it, or update OpenSSL to 3.5 or later",
                        fix=_plain(directive, configuration),
                        endpoints=titles(endpoints),
                    )
                    break


class UnknownGroup(Rule):
    """The list has a group that OpenSSL does not know, and nginx does not start.

    OpenSSL skips unknown cipher words, but an unknown group makes it refuse the whole list. `P-256`, `prime256v1` and
    `secp256r1` are the same group; names are case-sensitive up to 3.4, and 1.1.1 does not know `secp256r1` or `x25519`
    in lower case.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: write the name as this OpenSSL knows it.

    Limitation: groups that providers add are not known.

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
                if _is_post_quantum(unknown.word) or _is_new_syntax(configuration, unknown.word):
                    continue
                meant = DRAFTS.get(unknown.word) or unknown.suggestion
                place = word_place(directive, arg, unknown.start, unknown.end)
                library = f"OpenSSL {configuration.facts.openssl}" if configuration.facts.openssl_known else "OpenSSL"
                yield self.at(
                    place,
                    f"nginx does not start: {library} knows no group `{unknown.word}`",
                    help=f"replace it with `{meant}`" if meant else "remove it",
                    fix=Fix(f"replace it with `{meant}`", (Edit(place, meant),))
                    if meant
                    else _plain(directive, configuration),
                    endpoints=titles(endpoints),
                )
                break


class GroupSyntaxTooNew(Rule):
    """The list of groups uses the syntax of OpenSSL 3.5 (`/`, `*`, `?`, `-`), which earlier versions refuse.

    With OpenSSL before 3.5 nginx does not start (3.3 and 3.4 support the question mark only; measured on 3.0.20).

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: write plain names with colons, or update OpenSSL.

    Reported only with `--openssl-version`.

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
                if _is_new_syntax(configuration, unknown.word) and not _is_post_quantum(unknown.word):
                    yield self.at(
                        word_place(directive, arg, unknown.start, unknown.end),
                        f"nginx does not start: OpenSSL {configuration.facts.openssl} does not support the syntax"
                        f" `{unknown.word}`",
                        label="syntax of OpenSSL 3.5",
                        help="write plain names with colons",
                        fix=_plain(directive, configuration),
                        endpoints=titles(endpoints),
                    )
                    break


class RefusedGroupList(Rule):
    """OpenSSL refuses the list of groups for a reason other than an unknown name, and nginx does not start.

    Up to 3.4 a group must not be listed twice (measured on 1.1.1w and 3.0.20; 3.5 and 3.6 accept it); no element may be
    empty; since 3.5 `*` may request at most four key shares.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: correct the list as the message says.

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
                    help="correct the list",
                    fix=_plain(directive, configuration),
                    endpoints=titles(endpoints),
                )


class WeakGroup(Rule):
    """A group with less than 224 bits, or one over a binary field, is offered.

    Well-funded attackers can break curves of 160 and 192 bits. RFC 8422 and NIST have deprecated binary-field curves
    (`sect…`); no current client needs them.

    Clients: no difference for browsers, which offer none of these groups; an old client can negotiate one.

    Fix: keep X25519MLKEM768, X25519, prime256v1 and secp384r1.

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
            weak = [g for g in groups.groups if _is_weak(g)]
            if weak:
                arg = len(directive.args) - 1
                value = directive.args[arg]
                spelt = next((n for n in (weak[0].name, *weak[0].aliases) if n.lower() in value.lower()), None)
                at = value.lower().index(spelt.lower()) if spelt else 0
                place = word_place(directive, arg, at, at + len(spelt)) if spelt else directive
                yield self.at(
                    place,
                    f"weak groups are offered: {listed([g.name for g in weak])}",
                    help="remove them",
                    fix=_plain(directive, configuration),
                    endpoints=titles(endpoints),
                )


class SingleGroup(Rule):
    """Only one classical group is offered.

    A client that sends a key share of another group first needs a second round trip, and one that lacks the group
    cannot connect. `secp384r1` alone is often copied from old guides; it is slower than X25519 without a relevant gain
    in security.

    Clients: a client whose first key share is of another group needs one more round trip; one without the group is
    refused with ERR_SSL_VERSION_OR_CIPHER_MISMATCH or `handshake failure`.

    Fix: `ssl_ecdh_curve X25519:prime256v1:secp384r1;` or no directive at all.

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
                    help="set `ssl_ecdh_curve X25519:prime256v1:secp384r1;`, or remove the directive",
                    fix=Fix(
                        "set `X25519:prime256v1:secp384r1`",
                        (replace_argument(directive, len(directive.args) - 1, "X25519:prime256v1:secp384r1"),),
                    ),
                    endpoints=titles(endpoints),
                )


class IgnoredGroups(Rule):
    """`ssl_ecdh_curve` in a server that is not the default server of its socket has no effect.

    OpenSSL uses the groups of the default server for every name on the socket, on all versions of nginx (measured: with
    P-384 in the default server and P-256 in the other, clients of the other get P-384 on 1.18.0, 1.22.1, 1.26.3 and
    1.30.6). The same applies to `ssl_conf_command Groups` and `Curves`.

    Clients: the groups of the default server; a client that only has those of this server is refused with `handshake
    failure`.

    Fix: set the groups at the http level.

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
            place = mine if mine is not None and _is_own(server, mine) else theirs
            if place is None or not all(line is None or line.known for line in (mine, theirs)):
                continue
            if _names(groups_of(server)) != _names(groups_of(default)):
                found.setdefault(place, []).append(endpoint)
        for place, endpoints in found.items():
            default = endpoints[0].socket.default
            theirs = origin_of(default, "ssl_ecdh_curve")
            if place is theirs:
                message = f"these groups apply to every name on {sockets(endpoints)}, not to this server alone"
            else:
                names = listed(_names(groups_of(default))) if theirs else "OpenSSL's default"
                message = (
                    f"these groups have no effect on {sockets(endpoints)}: its default server's apply to every name"
                    f" ({names})"
                )
            winner = theirs or default.directive
            labels = [label(winner, "decides for every name on the socket")] if winner and winner is not place else []
            yield self.at(
                place,
                message,
                labels=labels,
                help="set the groups at the http level",
                fix=for_default_server(place, endpoints),
                endpoints=titles(endpoints),
            )


class ConfCommandOverridesGroups(Rule):
    """`ssl_conf_command Groups` or `Curves` overrides `ssl_ecdh_curve`.

    nginx applies `ssl_conf_command` last (measured on nginx 1.22.1, 1.26.3 and 1.30.6; `nginx -t` reports nothing).

    Clients: the groups of `ssl_conf_command`; a client for which only `ssl_ecdh_curve` has a group is refused.

    Fix: keep `ssl_ecdh_curve`.

    Not reported if both select the same groups.

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
                    f"`{command[1].args[0]}` overrides `ssl_ecdh_curve`",
                    labels=[label(line, "overridden")],
                    help="remove it, and set the groups in `ssl_ecdh_curve`",
                    fix=moved(command[1], "ssl_ecdh_curve", quoted(command[0])),
                )


class WeakDhparam(Rule):
    """The Diffie-Hellman parameters have fewer than 2048 bits.

    A state can break a prime of 1024 bits, and the common ones have probably been broken (Logjam). OpenSSL 3 refuses
    fewer than 2048 bits at its default level 2, and nginx does not start; 1.1.1 loads the file, and handshakes with DHE
    fail (measured).

    Clients: with OpenSSL 3 connection refused once nginx is restarted (`dh key too small`). With 1.1.1 clients that
    choose DHE are refused with `handshake failure`, and those with ECDHE connect.

    Fix: remove `ssl_dhparam` (ECDHE needs none), or use the 2048-bit group of RFC 7919.

    ```nginx bad, certificate: good-rsa.pem
    ssl_dhparam certificates/dh1024.pem;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_dhparam certificates/dh2048-ffdhe.pem;
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
                f"the Diffie-Hellman parameters have {bits} bits, fewer than 2048",
                arg=0,
                label=f"{bits} bits",
                help="remove `ssl_dhparam`, or use the 2048-bit group of RFC 7919",
                fix=removal(directive),
            )


class OversizedDhparam(Rule):
    """The Diffie-Hellman parameters have more than 4096 bits.

    Each handshake with them is expensive for the server, which helps an attacker to exhaust it (D(HE)at,
    CVE-2002-20001), without a relevant gain in security.

    Clients: no difference for browsers, which no longer offer DHE. Others wait longer for each handshake, and while
    someone floods the server with them, everybody does.

    Fix: remove `ssl_dhparam`, or use the 2048-bit group of RFC 7919.

    ```nginx bad, certificate: good-rsa.pem
    ssl_dhparam certificates/dh8192.pem;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_dhparam certificates/dh2048-ffdhe.pem;
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
                directive,
                f"the Diffie-Hellman parameters have {bits} bits, more than 4096",
                arg=0,
                help="remove `ssl_dhparam`, or use the 2048-bit group of RFC 7919",
                fix=removal(directive),
            )


class CustomDhparam(Rule):
    """The Diffie-Hellman parameters are not one of the standard groups of RFC 7919.

    A client cannot check that a group of someone's own is safe, so some clients reject it, and a generated group may be
    weak without anyone noticing. The groups of RFC 7919 (and the older ones of RFC 3526) have been examined by many.

    Clients: no difference for browsers, which no longer offer DHE. A client with DHE that accepts only standard groups
    ends the handshake.

    Fix: remove `ssl_dhparam` and the suites with DHE (ECDHE needs none), or use the 2048-bit group of RFC 7919:
    `openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out ffdhe2048.pem`

    Reported only where a suite with DHE can be negotiated.

    ```nginx bad, certificate: good-rsa.pem
    ssl_dhparam certificates/dh2048.pem;
    ssl_ciphers ECDHE+AESGCM:DHE+AESGCM;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_dhparam certificates/dh2048-ffdhe.pem;
    ssl_ciphers ECDHE+AESGCM:DHE+AESGCM;
    ```
    """

    severity = Severity.NOTE
    security_severity = 2.0
    cwe = (326,)
    references = (
        "https://www.rfc-editor.org/rfc/rfc7919",
        "https://www.rfc-editor.org/rfc/rfc9325#section-4.1",
        SSL_DHPARAM,
    )
    decides = ("ssl_dhparam",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        if not directive.args or not directive.known:
            return
        found = configuration.store.dhparam(directive.args[0], directive)
        offered = [endpoint for endpoint in endpoints if _has_dhe(endpoint)]
        if found is not None and found.known_group is None and 2048 <= found.bits <= 4096 and offered:
            yield self.at(
                directive,
                f"the Diffie-Hellman parameters of {found.bits} bits are not a group of RFC 7919",
                arg=0,
                label="clients cannot check them",
                help="remove `ssl_dhparam`, or use the 2048-bit group of RFC 7919",
                endpoints=titles(offered),
            )


class UnusedDhparam(Rule):
    """`ssl_dhparam` is set, but no suite with DHE can be negotiated.

    The cipher string has none, or none fits the certificate's key. The directive is left over from an earlier
    configuration.

    Clients: no difference.

    Fix: remove it. Clients are not affected.

    ```nginx bad
    ssl_dhparam certificates/dh2048-ffdhe.pem;
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_dhparam certificates/dh2048-ffdhe.pem;
    ssl_ciphers ECDHE+AESGCM:DHE+AESGCM;
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = (SSL_DHPARAM, "https://wiki.mozilla.org/Security/Server_Side_TLS")
    decides = ("ssl_dhparam",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        if configuration.completeness == "snippet" or not directive.known:
            return
        sure = all(e.tls.ciphers.known and (e.tls.ciphers.certain or e.tls.ciphers.directives) for e in endpoints)
        if not sure or any(_has_dhe(e) for e in endpoints):
            return
        if (_bits(directive, configuration) or 2048) < 2048:
            return  # reported by weak-dhparam
        yield self.at(
            directive,
            "`ssl_dhparam` has no effect: no suite with DHE can be negotiated",
            help="remove it; clients are not affected",
            fix=Fix("remove `ssl_dhparam`", (delete(directive),), safe=True),
            endpoints=titles(endpoints),
        )


# -- lists -------------------------------------------------------------------------------------------------------------


def _group_lists(configuration: Configuration) -> Iterator[tuple[Directive, GroupList, list[Endpoint]]]:
    """The lists of groups that nginx loads and that are fully known, each with the endpoints of its servers."""
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


def _is_own(server: VirtualServer, directive: Directive) -> bool:
    return directive in server.scope.all(directive.name)


def _names(groups: GroupList) -> list[str]:
    return [g.name for g in groups.groups]


def _is_post_quantum(word: str) -> bool:
    return "MLKEM" in word.upper()


def _is_new_syntax(configuration: Configuration, word: str) -> bool:
    old = configuration.facts.openssl_known and configuration.facts.openssl.version < (3, 5)
    return old and (word[:1] in ("?", "*", "-") or "/" in word or word.upper() == "DEFAULT")


def _bits(directive: Directive, configuration: Configuration) -> int | None:
    if not directive.args or not directive.known or not configuration.store.was_read(directive.args[0]):
        return None
    return configuration.store.dhparam_bits(directive.args[0], directive)


def _has_dhe(endpoint: Endpoint) -> bool:
    if not endpoint.tls.bundles:
        # RSA is assumed if no certificate was seen.
        return any(s.key_exchange == "DHE" for s in endpoint.tls.evaluation.suites)
    return any(s.key_exchange == "DHE" for s in legacy_suites(endpoint))


def _plain(directive: Directive, configuration: Configuration) -> Fix | None:
    """The fix that leaves the strong groups that this OpenSSL knows, as plain names; None if there is none."""
    from nginxtls.tls.groups import known_group

    arg, kept = len(directive.args) - 1, dict[str, None]()
    for word in re.split(r"[:/]", directive.args[arg]):
        name = word.strip().lstrip("?*-")
        found = known_group(name, configuration.facts.openssl)
        if found and not _is_weak(found) and not word.startswith("-"):
            kept[name] = None
    text = ":".join(kept)
    return Fix(f"write `{text}`", (replace_argument(directive, arg, text),)) if kept else None


def _is_weak(group: Group) -> bool:
    return group.bits < 112 or group.name.startswith("sect")
