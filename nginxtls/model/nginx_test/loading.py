"""Why nginx would not load a server's TLS context: certificates, keys, lists of suites and groups, CAs, DH parameters.

The cases and texts are measured on nginx 1.18.0 (OpenSSL 1.1.1w), 1.22.1 (3.0.20), 1.26.3 (3.5.9) and 1.30.6 (3.6.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model import ech
from nginxtls.model.bundles import ServedBundle
from nginxtls.model.effective import MAIL_PORTS, protocol_names
from nginxtls.model.nginx_test import variables
from nginxtls.model.nginx_test.refusal import refuse
from nginxtls.model.store import is_file
from nginxtls.tls import CipherString, ServerKey, evaluate_ciphersuites, evaluate_groups
from nginxtls.tls.sigalgs import is_bad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nginxtls.model.conf_commands import Command
    from nginxtls.model.configuration import Configuration
    from nginxtls.model.facts import Facts
    from nginxtls.model.nginx_test.refusal import Refusal
    from nginxtls.model.servers import Socket, VirtualServer
    from nginxtls.model.settings import Scope, Setting
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import OpenSSL

WEAK_DIGEST_REFUSED_BEFORE = (3, 5)
"""OpenSSL 1.1.1 and 3.0 refuse a SHA-1 or MD5 signed chain at level ≥ 1; 3.5 and 3.6 load it (measured)."""

UPSTREAM_VARIABLES = (1, 21, 0)
UPSTREAM_EMPTY = (1, 23, 0)
"""1.22.1 does not take the empty string for no certificate, 1.18.0 and 1.26.3 do (measured)."""


def all_loading_refusals(configuration: Configuration) -> Iterator[Refusal]:
    """Refusals and warnings of all TLS contexts, each once however many servers share the directive."""
    seen: set[tuple[str, int]] = set()
    for refusal in _all(configuration):
        key = (refusal.message, id(refusal.directive))
        if key not in seen:
            seen.add(key)
            yield refusal


def _all(configuration: Configuration) -> Iterator[Refusal]:
    for server in configuration.servers:
        if not server.fragment and server.has_tls_context:
            yield from loading_refusals(server, configuration)
    for directive in configuration.directives("ssl_engine") if _without_engines(configuration.facts) else ():
        yield refuse(directive, "engine", '"ssl_engine" directive is not supported')
    for name in ("ssl_password_file", "ssl_session_ticket_key"):
        for directive in configuration.directives(name):
            # Read when the line is, whoever uses it.
            if directive.args and configuration.store.is_missing(directive.args[0]):
                path = directive.args[0]
                reason = configuration.store.failure(path)
                yield refuse(directive, "file", f'open() "{path}" failed ({reason})', arg=0)
    if configuration.completeness == "full":
        for socket in configuration.sockets:
            yield from _missing_certificate(socket, configuration)
        for server in configuration.servers:
            if server.module == "mail":
                yield from _mail_protocol(server)
                yield from _mail(server)
                yield from _two_ways(server.scope)
        if "mail" in configuration.blocks:
            yield from _two_ways(configuration.blocks["mail"])
    for upstream in configuration.upstreams:
        verify, trusted = upstream.setting("verify"), upstream.setting("trusted_certificate")
        if verify.enabled and trusted.is_default and trusted.certain and verify.origin:
            prefix = upstream.directive_name("trusted_certificate")
            yield refuse(verify.origin, "upstream", f"no {prefix} for {upstream.directive_name('verify')}")
        if verify.enabled:
            yield from _certificates_file(configuration, trusted.origin, "upstream-file")
            if (crl := upstream.setting("crl").origin) and crl.args:
                yield from _revocation_lists(configuration, crl)
        yield from _of_commands(upstream.commands, configuration.facts.openssl)
        certificate, key = upstream.setting("certificate"), upstream.setting("certificate_key")
        if unread := _upstream_certificate(certificate, configuration):
            yield unread
            continue
        if certificate.origin and certificate.value and key.is_default and key.certain:
            text = f'no "{upstream.directive_name("certificate_key")}" is defined for certificate "{certificate.value}"'
            yield refuse(certificate.origin, "upstream", text)
        elif certificate.origin and key.origin and certificate.known and key.known:
            yield from _client_pair(
                ServedBundle(configuration.facts, configuration.store, certificate.origin, key.origin)
            )


def _upstream_certificate(setting: Setting, configuration: Configuration) -> Refusal | None:
    """Values of ``proxy_ssl_certificate`` that versions around 1.21.0, which brought variables, do not take."""
    nginx = configuration.facts.nginx
    if setting.origin is None or nginx is None:
        return None
    name = setting.origin.name
    if "$" in setting.value and not nginx.at_least(*UPSTREAM_VARIABLES):
        text = f'cannot load certificate "{setting.value}": no such file ({name} expands no variables before 1.21.0)'
        return refuse(setting.origin, "upstream-file", text, arg=0)
    if setting.values == ("",) and nginx.at_least(*UPSTREAM_VARIABLES) and not nginx.at_least(*UPSTREAM_EMPTY):
        return refuse(setting.origin, "upstream-file", f'no "{name}_key" is defined for certificate ""', arg=0)
    return None


def loading_refusals(server: VirtualServer, configuration: Configuration) -> tuple[Refusal, ...]:
    """Why nginx would not load a server's TLS context, and what it would warn of."""
    return configuration.memo(("loading", server), lambda: tuple(_of_server(server, configuration)))


def _of_server(server: VirtualServer, configuration: Configuration) -> Iterator[Refusal]:
    """ngx_http_ssl_merge_srv_conf() and its twins of stream and mail, in their order."""
    if not server.has_tls_context or not _loads(server):
        return
    certificates = server.setting("ssl_certificate").directives
    keys = server.setting("ssl_certificate_key")
    if certificates and len(keys.directives) < len(certificates) and (keys.certain or keys.directives):
        last = certificates[-1]
        text = f'no "ssl_certificate_key" is defined for certificate "{last.args[0] if last.args else ""}"'
        yield refuse(last, "key", text)
        return
    yield from _shared(server, lambda server: _of_context(server, configuration), "context", server.bundles)


def _shared(
    server: VirtualServer,
    work: Callable[[VirtualServer], Iterator[Refusal]],
    name: str,
    bundles: tuple[ServedBundle, ...] = (),
) -> tuple[Refusal, ...]:
    """What some work finds in a server, which hangs on its lines and these bundles: once for all servers with them."""
    key = ("refusals", name, server.module, server.tls_lines, bundles)
    return server.store.memo(key, lambda: tuple(work(server)))


def _of_context(server: VirtualServer, configuration: Configuration) -> Iterator[Refusal]:
    yield from _shared(server, _ciphers, "ciphers")
    for bundle in server.bundles:
        yield from _bundle(server, bundle, configuration)
    refused = server.slots[1]
    if refused is not None and refused.key_directive is not None:
        call = 'SSL_CONF_cmd("PrivateKey", ' if refused.by_command else "SSL_CTX_use_PrivateKey("
        text = f'{call}"{refused.key_path}") failed: key values mismatch'
        category, arg = ("conf-command", 1) if refused.by_command else ("key", 0)
        yield refuse(refused.key_directive, category, text, arg=arg)
    yield from _shared(server, _beside_certificates, "beside certificates")
    if server.module == "http" or server.facts.assumed_nginx.at_least(1, 27, 2):
        yield from _stapling(server)


def _beside_certificates(server: VirtualServer) -> Iterator[Refusal]:
    yield from _clients(server)
    yield from _groups(server)
    yield from _dhparam(server)
    yield from _conf_commands(server)
    for directive, level, text in ech.problems(server):
        yield refuse(directive, "ech", text, level=level, arg=0 if level == "emerg" else None)
    yield from _unsupported(server)


def _unsupported(server: VirtualServer) -> Iterator[Refusal]:
    """A directive that nginx knows and its OpenSSL does not support."""
    compression = server.setting("ssl_certificate_compression")
    if compression.origin is None or compression.value == "off" or not server.facts.openssl_known:
        return
    if server.facts.openssl.version < (3, 2):
        text = '"ssl_certificate_compression" is not supported on this platform, ignored'
        yield refuse(compression.origin, "value", text, level="warn")


def _loads(server: VirtualServer) -> bool:
    """Whether nginx makes the TLS context of a server that may not listen with TLS."""
    if server.module == "http":
        return True
    if server.module == "stream":
        return server.facts.assumed_nginx.at_least(1, 25, 5) or any(s.tls for s in server.sockets)
    return any(s.tls for s in server.sockets) or server.ssl_on or server.starttls


def _ciphers(server: VirtualServer) -> Iterator[Refusal]:
    setting = server.setting("ssl_ciphers")
    if setting.origin is None or not setting.known or len(setting.origin.args) != 1:
        return
    if not server.facts.openssl_known and ("PROFILE=" in setting.value or "[" in setting.value):
        return  # Red Hat's OpenSSL takes the former, BoringSSL the latter
    evaluation = CipherString(setting.value).evaluate(server.facts.openssl)
    if evaluation.error:
        text = f'SSL_CTX_set_cipher_list("{setting.value}") failed: {evaluation.error}'
        yield refuse(setting.origin, "ciphers", text, arg=0)


def _loading_level(server: VirtualServer) -> int:
    """The security level while certificates are loaded: @SECLEVEL of ssl_ciphers counts from 1.21.2 on."""
    if server.facts.assumed_nginx.at_least(1, 21, 2):
        text = server.setting("ssl_ciphers").value
        level = CipherString(text).evaluate(server.facts.openssl).security_level if "@SECLEVEL" in text else None
        if level is not None:
            return level
    return server.facts.system.level(server.facts.openssl)


def _bundle(server: VirtualServer, served: ServedBundle, configuration: Configuration) -> Iterator[Refusal]:
    if server.module == "mail":
        expanded = [d for d in (served.directive, served.key_directive) if d is not None and "$" in d.args[-1]]
        for line in expanded:
            text = f'cannot load certificate "{line.args[-1]}": no such file (mail expands no variables)'
            yield refuse(line, "mail-variable", text, arg=0)
        if expanded:
            return
    if server.module == "http":
        for directive in (served.directive, served.key_directive):
            name = variables.unknown(configuration, directive) if directive is not None else None
            if directive is not None and name is not None:
                yield refuse(directive, "certificate", f'unknown "{name}" variable', arg=0)
    yield from _engine_key(served)
    if not is_file(served.path) or "$" in served.key_path:
        return
    if served.by_command:
        yield from _by_command(server, served)
        return
    unloaded = [*_certificate(served, "certificate")]
    yield from unloaded
    if unloaded or served.bundle is None:
        return
    yield from _strength(server, served, _loading_level(server))
    yield from _key(served, "key")
    password = server.setting("ssl_password_file")
    if served.key and served.key.encrypted and served.key_directive and password.is_default and password.certain:
        # Another server has the password; each needs it (measured).
        text = f'cannot load certificate key "{served.key_path}": it is encrypted, and there is no password for it'
        yield refuse(served.key_directive, "key", text, arg=0)


def _by_command(server: VirtualServer, served: ServedBundle) -> Iterator[Refusal]:
    """``ssl_conf_command Certificate`` and the PrivateKey after it."""
    problem = ""
    if served.store.is_missing(served.path):
        problem = "no such file"
    elif served.bundle is not None and not served.bundle.loads:
        problem = served.bundle.problems[-1].message
    elif served.bundle is not None:
        level = _level_at(server, served.directive)
        _, problem = _too_weak(served, level, server.facts.openssl) or (0, "")
    if problem:
        text = f'SSL_CONF_cmd("Certificate", "{served.path}") failed: {problem}'
        yield refuse(served.directive, "conf-command", text, arg=1)
        return
    if served.key_directive is not None and served.key_refused:
        text = f'SSL_CONF_cmd("PrivateKey", "{served.key_path}") failed: {served.key_unreadable}'
        yield refuse(served.key_directive, "conf-command", text, arg=1)


def _certificate(served: ServedBundle, category: str) -> Iterator[Refusal]:
    if served.store.is_missing(served.path):
        yield refuse(
            served.directive,
            category,
            f'cannot load certificate "{served.path}": {served.store.failure(served.path)}',
            arg=0,
        )
    elif served.bundle is not None and not served.bundle.loads:
        problem = served.bundle.problems[-1].message
        yield refuse(served.directive, category, f'cannot load certificate "{served.path}": {problem}', arg=0)


def _without_engines(facts: Facts) -> bool:
    """OpenSSL 4.0 has removed them."""
    return facts.openssl_known and facts.openssl.version >= (4, 0)


def _engine_key(served: ServedBundle) -> Iterator[Refusal]:
    key = served.key_directive
    if key is not None and served.key_path.startswith("engine:") and _without_engines(served.facts):
        text = 'loading "engine:..." certificate keys is not supported'
        yield refuse(key, "engine", f'cannot load certificate key "{served.key_path}": {text}', arg=0)


def _key(served: ServedBundle, category: str) -> Iterator[Refusal]:
    key = served.key_directive
    if key is None or not is_file(served.key_path):
        return
    if served.store.is_missing(served.key_path):
        yield refuse(
            key,
            category,
            f'cannot load certificate key "{served.key_path}": {served.store.failure(served.key_path)}',
            arg=0,
        )
    elif served.key_refused:
        text = f'cannot load certificate key "{served.key_path}": {served.key_unreadable}'
        yield refuse(key, category, text, arg=0)


def _client_pair(shown: ServedBundle) -> Iterator[Refusal]:
    """The certificate and key that nginx shows to an upstream, loaded as for a server (measured)."""
    if not is_file(shown.path) or "$" in shown.path + shown.key_path:
        return
    unloaded = [*_certificate(shown, "upstream-file")]
    yield from unloaded
    if unloaded or "encrypted" in shown.key_unreadable:
        return
    yield from _key(shown, "upstream-file")
    leaf, key = shown.leaf, shown.key
    if leaf and key and shown.key_directive and leaf.key.kind == key.key.kind and not shown.key_matches:
        text = f'SSL_CTX_use_PrivateKey("{shown.key_path}") failed: key values mismatch'
        yield refuse(shown.key_directive, "upstream-file", text, arg=0)


def _strength(server: VirtualServer, served: ServedBundle, level: int) -> Iterator[Refusal]:
    if weak := _too_weak(served, level, server.facts.openssl):
        index, problem = weak
        call = "SSL_CTX_use_certificate" if index == 0 else "SSL_CTX_set0_chain"
        yield refuse(served.directive, "certificate", f'{call}("{served.path}") failed: {problem}', arg=0)


def _too_weak(served: ServedBundle, level: int, openssl: OpenSSL) -> tuple[int, str] | None:
    """The first certificate of a file that a security level refuses: its index, and what OpenSSL says."""
    assert served.bundle is not None
    for index, certificate in enumerate(served.bundle.certificates):
        if not certificate.key.allowed(level):
            return index, f"{'ca' if index else 'ee'} key too small"
        weak = certificate.signature_hash in ("sha1", "md5") and not certificate.self_signed
        if weak and level >= 1 and openssl.version < WEAK_DIGEST_REFUSED_BEFORE:
            return index, "ca md too weak"
    return None


def _level_at(server: VirtualServer, directive: Directive) -> int:
    """The security level when a command is run: ssl_ciphers is in effect, and the commands before it."""
    texts = [server.setting("ssl_ciphers").value]
    for line in server.commands:
        if line.directive is directive:
            break
        texts += [line.value] if line.name == "cipherstring" else []
    levels = [CipherString(text).evaluate(server.facts.openssl).security_level for text in texts if "@SECLEVEL" in text]
    known = [level for level in levels if level is not None]
    return known[-1] if known else server.facts.system.level(server.facts.openssl)


def _clients(server: VirtualServer) -> Iterator[Refusal]:
    verify = server.setting("ssl_verify_client")
    client = server.setting("ssl_client_certificate")
    trusted = server.setting("ssl_trusted_certificate")
    if verify.origin and verify.value in ("on", "optional") and client.is_default and client.certain:
        if server.facts.nginx is not None and not server.facts.nginx.at_least(1, 27, 2):
            yield refuse(verify.origin, "client-ca", "no ssl_client_certificate for ssl_verify_client")
        elif trusted.is_default:
            text = "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client"
            yield refuse(verify.origin, "client-ca", text)
    if verify.value in ("on", "optional", "optional_no_ca"):
        yield from _certificates_file(server, client.origin)
    yield from _certificates_file(server, trusted.origin)
    crl = server.setting("ssl_crl").origin
    if crl and crl.args:
        yield from _revocation_lists(server, crl)
    ocsp = server.setting("ssl_ocsp")
    if ocsp.origin and ocsp.value in ("on", "leaf") and verify.value == "optional_no_ca":
        yield refuse(ocsp.origin, "client-ca", '"ssl_ocsp" is incompatible with "ssl_verify_client optional_no_ca"')


def _revocation_lists(server: VirtualServer | Configuration, directive: Directive) -> Iterator[Refusal]:
    path = directive.args[0]
    if server.store.is_missing(path):
        yield refuse(directive, "crl", f'cannot load CRL "{path}": {server.store.failure(path)}', arg=0)
        return
    found = server.store.read_crl(directive)
    # A file with certificates and no list is taken up to 1.26.3, and not by 1.30.6 (measured).
    strict = server.facts.nginx is not None and server.facts.nginx.at_least(1, 27, 2)
    if found is not None and found.problems and (strict or not found.only_certificates):
        text = f'cannot load CRL "{path}": {found.problems[0].message}'
        yield refuse(directive, "crl", text, arg=0)


def _certificates_file(
    server: VirtualServer | Configuration, directive: Directive | None, category: str = "client-ca"
) -> Iterator[Refusal]:
    """The CAs that others are verified against: clients of a server, or upstreams."""
    if directive is None or not directive.args or not is_file(directive.args[0]):
        return
    path = directive.args[0]
    if server.store.is_missing(path):
        yield refuse(directive, category, f'cannot load certificates "{path}": {server.store.failure(path)}', arg=0)
        return
    skips_bom = server.facts.openssl.version >= (3, 0)
    bundle, _ = server.store.read_bundle(path, directive, skips_bom=skips_bom)
    if bundle is not None and not bundle.loads:
        text = f'cannot load certificates "{path}": {bundle.problems[-1].message}'
        yield refuse(directive, category, text, arg=0)


def _groups(server: VirtualServer) -> Iterator[Refusal]:
    setting = server.setting("ssl_ecdh_curve")
    if setting.origin is None or not setting.known or setting.value == "auto":
        return
    error = evaluate_groups(setting.value, server.facts.openssl).error
    if error:
        text = f'SSL_CTX_set1_curves_list("{setting.value}") failed: {error}'
        yield refuse(setting.origin, "groups", text, arg=0)


def _dhparam(server: VirtualServer) -> Iterator[Refusal]:
    origin = server.setting("ssl_dhparam").origin
    if origin is None or not origin.args or not origin.known:
        return
    path = origin.args[0]
    if server.store.is_missing(path):
        yield refuse(origin, "dhparam", f'BIO_new_file("{path}") failed: {server.store.failure(path)}', arg=0)
        return
    bits = server.store.dhparam_bits(path, origin)
    if bits is None:
        yield refuse(origin, "dhparam", f'PEM_read_bio_DHparams("{path}") failed: no start line', arg=0)
        return
    strength = ServerKey("RSA", bits)  # of finite fields the levels count the same bits
    if server.facts.openssl.version >= (3, 0) and (bits < 1024 or not strength.allowed(_loading_level(server))):
        yield refuse(origin, "dhparam", f'SSL_CTX_set_tmp_dh("{path}") failed: dh key too small', arg=0)


_COMMANDS = frozenset(
    "ciphersuites cipherstring curves groups minprotocol maxprotocol protocol options certificate privatekey "
    "dhparameters signaturealgorithms clientsignaturealgorithms ecdhparameters verifycafile chaincafile chaincapath "
    "verifycapath requestcafile clientcafile requestcapath clientcapath recordpadding numtickets serverinfofile "
    "verifymode chaincastore verifycastore requestcastore clientcastore rxcertcompression txcertcompression".split()
)


def _conf_commands(server: VirtualServer) -> Iterator[Refusal]:
    yield from _lone_keys(server)
    yield from _of_commands(server.commands, server.facts.openssl)


def _of_commands(lines: Iterable[Command], openssl: OpenSSL) -> Iterator[Refusal]:
    """Commands and values that OpenSSL does not know, of a server or an upstream."""
    for line in lines:
        if not line.directive.known or "$" in line.value:
            continue
        call = f'SSL_CONF_cmd("{line.directive.args[0]}", "{line.value}") failed'
        if line.name not in _COMMANDS:
            yield refuse(line.directive, "conf-command", f"{call}: unknown cmd name", arg=0)
        elif problem := _bad_value(line, openssl):
            yield refuse(line.directive, "conf-command", f"{call}: {problem}", arg=1)


def _bad_value(line: Command, openssl: OpenSSL) -> str | None:
    """What OpenSSL says to the value of a command; None where it takes it, or that is not known."""
    words = {word for word, _ in line.words}
    match line.name:
        case "ciphersuites":
            return evaluate_ciphersuites(line.value, openssl).error
        case "groups" | "curves":
            return evaluate_groups(line.value, openssl).error
        case "cipherstring":
            return CipherString(line.value).evaluate(openssl).error
        case "signaturealgorithms" | "clientsignaturealgorithms":
            return "bad value" if is_bad(line.value, openssl) else None
        case "verifymode":
            return None if words <= _VERIFY_MODES else "bad value"
        case "minprotocol" | "maxprotocol":
            known = protocol_names([line.value]) - {"SSLv2"} or line.value.lower() == "none"
            return None if known else "bad value"
        case "options":
            return None if words <= _OPTIONS else "bad value"
    return None


def _lone_keys(server: VirtualServer) -> Iterator[Refusal]:
    """A PrivateKey without a Certificate before it must be that of the certificate with a key of its type."""
    leafs = {bundle.leaf.key.kind: bundle.leaf for bundle in server.bundles if bundle.leaf and not bundle.by_command}
    for line in server.commands:
        if line.name == "certificate":
            return
        if line.name != "privatekey" or not is_file(line.value):
            continue
        key, _ = server.store.read_key(line.value, line.directive)
        leaf = leafs.get(key.key.kind) if key else None
        if key and leaf and leaf.public_key_sha256 != key.public_key_sha256:
            text = f'SSL_CONF_cmd("PrivateKey", "{line.value}") failed: key values mismatch'
            yield refuse(line.directive, "conf-command", text, arg=1)


_VERIFY_MODES = frozenset("peer request require once requestposthandshake requireposthandshake".split())
_OPTIONS = frozenset(
    "sessionticket emptyfragments bugs compression serverpreference noresumptiononrenegotiation dhsingle ecdhsingle "
    "unsafelegacyrenegotiation unsafelegacyserverconnect clientrenegotiation encryptthenmac norenegotiation "
    "allownodhekex prioritizechacha middleboxcompat antireplay extendedmastersecret canames ktls "
    "ktlstxzerocopysendfile strictcertcheck ignoreunexpectedeof rxcertificatecompression "
    "txcertificatecompression prefernodhekex".split()
)


def _stapling(server: VirtualServer) -> Iterator[Refusal]:
    """The warnings that make stapling do nothing (ngx_ssl_stapling_certificate)."""
    stapling = server.setting("ssl_stapling")
    if stapling.origin is None or not stapling.enabled:
        return
    response = server.setting("ssl_stapling_file")
    if response.directives:
        if response.origin and response.known:
            yield from _ocsp_response(server, response.origin, response.value)
        return
    responder = server.setting("ssl_stapling_responder")
    ignored = '"ssl_stapling" ignored, '
    for bundle in server.bundles:
        if bundle.by_command or bundle.leaf is None or bundle.chain is None or not is_file(bundle.path):
            continue  # nginx does not look at what OpenSSL loads by a command
        issuer = issuer_at_hand(server, bundle)
        if issuer is False:
            text = f'{ignored}issuer certificate not found for certificate "{bundle.path}"'
            yield refuse(stapling.origin, "stapling", text, level="warn")
            continue
        if not responder.directives and not bundle.leaf.ocsp_responders:
            text = f'{ignored}no OCSP responder URL in the certificate "{bundle.path}"'
            yield refuse(stapling.origin, "stapling", text, level="warn")
            continue
        url = responder.value if responder.directives else bundle.leaf.ocsp_responders[0]
        if not url.lower().startswith("http://"):
            text = f'{ignored}invalid URL prefix in OCSP responder "{url}" in the certificate "{bundle.path}"'
            yield refuse(stapling.origin, "stapling", text, level="warn")


def _ocsp_response(server: VirtualServer, directive: Directive, path: str) -> Iterator[Refusal]:
    if server.store.is_missing(path):
        yield refuse(directive, "file", f'BIO_new_file("{path}") failed: {server.store.failure(path)}', arg=0)
        return
    response, reason = server.store.read_ocsp(path, directive)
    if response is None and server.store.was_read(path):
        yield refuse(directive, "file", f'd2i_OCSP_RESPONSE_bio("{path}") failed: {reason}', arg=0)


def issuer_at_hand(server: VirtualServer, bundle: ServedBundle) -> bool | None:
    """Whether the leaf's issuer is in the file or in ssl_trusted_certificate; None if that file is not known.

    A certificate without its key cannot be selected (SSL_CTX_select_current_cert): nginx looks at another's file.
    """
    assert bundle.bundle is not None
    leaf, *rest = bundle.bundle.certificates
    sent = server.slots[0]
    if sent and bundle not in sent and sent[-1].bundle is not None:
        rest = list(sent[-1].bundle.certificates[1:])
    trusted = server.setting("ssl_trusted_certificate").origin
    if trusted is not None and trusted.args:
        more, _ = server.store.read_bundle(trusted.args[0], trusted)
        if more is None:
            return None
        rest = [*rest, *more.certificates]
    return any(certificate.subject == leaf.issuer for certificate in rest)


def _missing_certificate(socket: Socket, configuration: Configuration) -> Iterator[Refusal]:
    """``listen ... ssl`` whose default server has no certificate (ngx_http_ssl_init, ngx_stream_ssl_init)."""
    if not socket.tls or socket.module == "mail":
        return
    default = socket.default
    text = 'no "ssl_certificate" is defined for the "listen ... ssl" directive'
    for server in [default, *(socket.servers if default.rejects_handshake and not default.has_certificate else ())]:
        if server.has_tls_context or not server.scope.certain or server.directive is None:
            continue
        yield refuse(server.directive, "certificate", text)
    nginx = configuration.facts.nginx
    protocols = default.setting("ssl_protocols")
    if not socket.quic or not default.has_certificate or not protocols.known:
        return
    if "TLSv1.3" in protocol_names(protocols.values):
        return
    origin = protocols.origin or default.directive
    if origin is not None and (nginx is None or nginx.at_least(1, 25, 0)):
        yield refuse(origin, "value", '"ssl_protocols" must enable TLSv1.3 for the "listen ... quic" directive')


def _mail_protocol(server: VirtualServer) -> Iterator[Refusal]:
    """The protocol of a mail server is written, or known by the port (ngx_mail_core_merge_srv_conf)."""
    if server.setting("protocol").directives or not server.scope.certain or server.directive is None:
        return
    ports = [port for listen in server.listens for port in listen.ports]
    if all(listen.known for listen in server.listens) and not any(port in MAIL_PORTS for port in ports):
        yield refuse(server.directive, "value", "unknown mail protocol for server")


def _two_ways(scope: Scope) -> Iterator[Refusal]:
    """``ssl on`` and ``starttls`` in one block of mail (ngx_mail_ssl_enable, ngx_mail_ssl_starttls), up to 1.25.0."""
    ssl, starttls = scope.first("ssl"), scope.first("starttls")
    if ssl is None or starttls is None or scope.nginx.at_least(1, 25, 1):
        return
    if ssl.args[:1] == ("on",) and starttls.args[:1] in (("on",), ("only",)):
        yield refuse(starttls, "mail", '"starttls" directive conflicts with "ssl on"', first=ssl)


def _mail(server: VirtualServer) -> Iterator[Refusal]:
    if server.has_certificate or not server.scope.certain or server.directive is None:
        return
    if any(socket.tls for socket in server.sockets):
        text = 'no "ssl_certificate" is defined for the "listen ... ssl" directive'
    elif server.ssl_on:
        text = 'no "ssl_certificate" is defined for the "ssl" directive'
    elif server.starttls:
        text = 'no "ssl_certificate" is defined for the "starttls" directive'
    else:
        return
    yield refuse(server.directive, "certificate", text)
