"""What a server and one client agree on: version, suite, group and key, or why they do not.

The order of decisions is OpenSSL's: ssl_choose_server_version (ssl/statem/statem_lib.c), tls_parse_ctos_key_share and
final_key_share (ssl/statem/extensions_srvr.c, extensions.c), ssl3_choose_cipher (ssl/s3_lib.c), tls1_shared_group and
tls_choose_sigalg (ssl/t1_lib.c). tests/conformance/test_clients.py compares it with real clients and servers.
"""

from __future__ import annotations

from functools import lru_cache

from nginxtls.base.lazy import NamedTuple

from .groups import Group, GroupList, group
from .levels import protocol_allowed, rsa_bits, security_bits, suite_allowed
from .negotiation import ServerKey
from .openssl import OpenSSL
from .sigalgs import SignatureAlgorithm, numbered
from .suites import PROTOCOLS, Suite


class Hello(NamedTuple):
    """What a client offers, by IANA's numbers in its order; None where it sends no such extension.

    ``protocols`` are the versions that it accepts, oldest first.
    """

    protocols: tuple[str, ...]
    suites: tuple[int, ...]
    groups: tuple[int, ...] | None
    shares: tuple[int, ...]
    signatures: tuple[int, ...] | None
    certificate_signatures: tuple[int, ...] | None
    alpn: tuple[str, ...]


class Order(NamedTuple):
    """Whose order of suites counts: the server's, and then perhaps ChaCha20 first for clients that have it first."""

    server: bool
    chacha: bool = False


class ServerOffer(NamedTuple):
    """The server's side. ``versions`` are those that it can choose, whether or not a handshake then succeeds.

    ``suites`` and ``ciphersuites`` are its lists before keys and groups are looked at; ``signatures`` its own
    algorithms, None for the library's. TLS 1.3 chooses suite and group before SNI takes effect: ``order13`` and
    ``level13`` are what counts then, and ``again`` is the list and order of TLS 1.3 suites of a second ClientHello.
    """

    versions: frozenset[str]
    suites: tuple[Suite, ...]
    ciphersuites: tuple[Suite, ...]
    order: Order
    order13: Order
    again: tuple[tuple[Suite, ...], Order]
    groups: GroupList
    keys: tuple[ServerKey, ...]
    signatures: tuple[SignatureAlgorithm, ...] | None
    level: int
    level13: int
    dhparam_bits: int | None
    openssl: OpenSSL


class Agreement(NamedTuple):
    """The result: ``problem`` says why there is no handshake (``kind`` in one word), else it is empty.

    ``retry``: the client first has to send a key share of the group (HelloRetryRequest). ``dh_bits`` is the size of the
    server's DH parameters where they are used.
    """

    problem: str
    kind: str
    protocol: str | None = None
    suite: Suite | None = None
    group: Group | None = None
    key: ServerKey | None = None
    retry: bool = False
    dh_bits: int | None = None


def _failed(kind: str, problem: str, protocol: str | None = None) -> Agreement:
    return Agreement(problem, kind, protocol)


@lru_cache(maxsize=16384)
def agree(server: ServerOffer, client: Hello) -> Agreement:
    """The handshake of a client with a server."""
    common = [version for version in PROTOCOLS if version in server.versions and _asked(client, version)]
    if not common:
        return _failed("protocol", f"no common protocol version: the client offers {_listed(client.protocols)}")
    version = common[-1]
    if version not in client.protocols:
        return _failed("protocol", f"the server chooses {version}, which the client no longer accepts", version)
    return _tls13(server, client) if version == "TLSv1.3" else _tls12(server, client, version)


def _asked(client: Hello, version: str) -> bool:
    """Whether a ClientHello covers a version: up to TLS 1.2 it names only the highest, with TLS 1.3 each."""
    if "TLSv1.3" in client.protocols:
        return version in client.protocols
    return PROTOCOLS.index(version) <= PROTOCOLS.index(client.protocols[-1]) if client.protocols else False


def _listed(words: tuple[str, ...]) -> str:
    return " ".join(words) or "none that is known"


# -- TLS 1.3 -----------------------------------------------------------------------------------------------------------


def _tls13(server: ServerOffer, client: Hello) -> Agreement:
    version = "TLSv1.3"
    suites = tuple(s for s in server.ciphersuites if suite_allowed(s, server.level))
    chosen = _first_suite(server, client, suites, server.order13)
    if chosen is None:
        return _failed("suite", "no common cipher suite in TLSv1.3", version)
    enough = security_bits(server.level13)
    usable = {g.number: g for g in server.groups.groups if g.tls13 and g.bits >= enough}
    number, retry = _group13(server, client, usable)
    if number is None:
        return _failed("group", f"no common group in TLSv1.3: the client offers {_group_names(client.groups)}", version)
    if retry and _first_suite(server, client, *server.again) != chosen:
        # tls_early_post_process_client_hello: "A previous HRR picked a different ciphersuite" (measured).
        problem = (
            "after a HelloRetryRequest the selected server chooses another cipher suite than the default server did"
        )
        return _failed("retry", problem, version)
    key = _key13(server, client)
    if key is None:
        return _failed("signature", "no common signature algorithm for the certificate in TLSv1.3", version)
    if not key.allowed(server.level):
        return _failed("signature", _TOO_SMALL, version)
    return Agreement("", "", version, chosen, usable[number], key, retry)


_TOO_SMALL = "the server chooses a key that its security level forbids"


def _considered(key: ServerKey, server: ServerOffer) -> bool:
    """OpenSSL 1.1.1 chooses a key whatever its size, and fails when it is to sign (measured)."""
    return server.openssl.version < (3, 0) or key.allowed(server.level)


def _group13(server: ServerOffer, client: Hello, usable: dict[int, Group]) -> tuple[int | None, bool]:
    """The group of the key exchange, and whether the client sent no share of it."""
    offered = client.groups or ()
    if server.openssl.version < (3, 5):
        # The client's first share that fits; else the server's first group.
        for number in client.shares:
            if number in usable:
                return number, False
        return next(((n, True) for n in usable if n in offered), (None, False))
    for together in server.groups.tuples:
        here = [g.number for g in together if g.number in usable]
        for theirs, retry in ((client.shares, False), (offered, True)):
            first, second = (here, theirs) if server.order13.server else (theirs, here)
            for number in first:
                if number in second:
                    return number, retry
    return None, False


def _key13(server: ServerOffer, client: Hello) -> ServerKey | None:
    for algorithm in _shared_signatures(server, client):
        for key in server.keys:
            if _considered(key, server) and algorithm.signs(key, "TLSv1.3", server.level, server.openssl):
                return key
    return None


# -- TLS 1.2 and older -------------------------------------------------------------------------------------------------


def _tls12(server: ServerOffer, client: Hello, version: str) -> Agreement:
    if not protocol_allowed(version, server.level, server.openssl):
        # The version was chosen at the default server's level, and the rest is at the selected server's (measured).
        return _failed("protocol", f"the server chooses {version}, which its security level forbids", version)
    keys = _keys12(server, client, version)
    shared_group = _group12(server, client)
    dh_bits, dh_group = _finite_field(server, client)
    authentications: set[str] = set()
    for key in keys:
        authentications |= _authentications(key, version)
    exchanges = {"ECDHE"} if shared_group else set()
    exchanges |= {"DHE"} if dh_bits or dh_group else set()
    exchanges |= {"RSA"} if any(key.kind == "RSA" for key in keys) else set()
    authentications.add("None")
    ages = PROTOCOLS[: PROTOCOLS.index(version) + 1]
    able = tuple(
        s
        for s in server.suites
        if s.key_exchange in exchanges
        and s.authentication in authentications
        and s.protocol in ages
        and suite_allowed(s, server.level)
    )
    chosen = _first_suite(server, client, able, server.order)
    if chosen is None:
        return _failed(*_why12(server, client, version, keys, shared_group), version)
    able_keys = (each for each in keys if chosen.authentication in _authentications(each, version))
    signer = next(able_keys, None)
    if signer is not None and not signer.allowed(server.level):
        return _failed("signature", _TOO_SMALL, version)
    ecdhe, dhe = chosen.key_exchange == "ECDHE", chosen.key_exchange == "DHE"
    if version != "TLSv1.2" and chosen.authentication in ("ECDSA", "DSS") and security_bits(server.level) > 80:
        # Signed with SHA-1, which the level forbids only now (1.1.1, measured).
        return _failed("signature", f"{version} signs with SHA-1, which the server's security level forbids", version)
    agreed = shared_group if ecdhe else dh_group if dhe else None
    return Agreement("", "", version, chosen, agreed, signer, False, dh_bits if dhe and not dh_group else None)


def _authentications(key: ServerKey, version: str) -> frozenset[str]:
    tls12 = version == "TLSv1.2"
    found = {
        "RSA": {"RSA"},
        "RSA-PSS": {"RSA"} if tls12 else set(),
        "EC": {"ECDSA"},
        "Ed25519": {"ECDSA"} if tls12 else set(),
        "Ed448": {"ECDSA"} if tls12 else set(),
        "DSA": {"DSS"},
    }.get(key.kind, set())
    return frozenset(found)


def _keys12(server: ServerOffer, client: Hello, version: str) -> tuple[ServerKey, ...]:
    """The keys that may authenticate: an EC key's curve is one of the client's, and in TLS 1.2 an algorithm fits."""
    found = []
    shared = _shared_signatures(server, client)
    for key in sorted(server.keys, key=lambda key: key.kind in ("Ed25519", "Ed448")):
        if not _considered(key, server) or not _curve_fits(key, client):
            continue
        if version == "TLSv1.2" and not any(a.signs(key, version, server.level, server.openssl) for a in shared):
            continue
        found.append(key)
    return tuple(found)


def _curve_fits(key: ServerKey, client: Hello) -> bool:
    if key.kind != "EC" or key.curve is None or client.groups is None:
        return True
    curve = group(key.curve)
    return curve is None or curve.number in client.groups


def _group12(server: ServerOffer, client: Hello) -> Group | None:
    enough = security_bits(server.level)
    ours = {g.number: g for g in server.groups.groups if g.tls12 and not g.finite_field and g.bits >= enough}
    theirs = client.groups or ()
    order = ours if server.order.server else theirs
    return next((ours[number] for number in order if number in ours and number in theirs), None)


def _finite_field(server: ServerOffer, client: Hello) -> tuple[int | None, Group | None]:
    """The size of the server's own DH parameters, or the group that takes their place since OpenSSL 4.0 (RFC 7919)."""
    enough = max(security_bits(server.level), 80)
    if server.openssl.version >= (4, 0) and any(256 <= number < 512 for number in client.groups or ()):
        ours = {g.number: g for g in server.groups.groups if g.tls12 and g.finite_field and g.bits >= enough}
        theirs = client.groups or ()
        order = ours if server.order.server else theirs
        return None, next((ours[n] for n in order if n in ours and n in theirs), None)
    bits = server.dhparam_bits
    return (bits, None) if bits is not None and rsa_bits(bits) >= enough else (None, None)


def _why12(
    server: ServerOffer, client: Hello, version: str, keys: tuple[ServerKey, ...], shared_group: Group | None
) -> tuple[str, str]:
    """The nearest reason why no suite is left."""
    kinds = " and ".join(sorted({key.kind for key in server.keys})) or "no"
    age = PROTOCOLS.index(version)
    offered = [
        s for s in server.suites if s.number in client.suites and s.protocol != "TLSv1.3"
        and PROTOCOLS.index(s.protocol) <= age and suite_allowed(s, server.level)
    ]  # fmt: skip
    if not offered:
        return "suite", f"no common cipher suite in {version}"
    able = {a for key in keys for a in _authentications(key, version)}
    served = {a for key in server.keys for a in _authentications(key, version)}
    if not any(s.authentication in served for s in offered):
        return "certificate", f"no common cipher suite in {version} works with the server's {kinds} certificate"
    if not any(s.authentication in able for s in offered):
        if any(not _curve_fits(key, client) for key in server.keys):
            return "certificate", f"the client does not support the curve of the server's {kinds} certificate"
        return "signature", f"no common signature algorithm for the certificate in {version}"
    if not shared_group and any(s.key_exchange == "ECDHE" and s.authentication in able for s in offered):
        return "group", f"no common group in {version}: the client offers {_group_names(client.groups)}"
    left = {s.key_exchange for s in offered if s.authentication in able}
    if left == {"DHE"}:
        problem = f"the only common cipher suites in {version} that work with the server's {kinds} certificate use DHE"
        return "dh", f"{problem}, and the server has no DH parameters"
    return "suite", f"no common cipher suite in {version} that the server's key exchange supports"


# -- shared ------------------------------------------------------------------------------------------------------------


def _first_suite(server: ServerOffer, client: Hello, able: tuple[Suite, ...], order: Order) -> Suite | None:
    ours = {s.number: s for s in able}
    if not order.server:
        return next((ours[number] for number in client.suites if number in ours), None)
    theirs = frozenset(client.suites)
    common = [s for s in able if s.number in theirs]
    if order.chacha and common:
        known = {s.number: s for s in (*server.ciphersuites, *server.suites)}
        first = next((known[number] for number in client.suites if number in known), None)
        if first is not None and first.encryption.startswith("CHACHA20"):
            common.sort(key=lambda s: not s.encryption.startswith("CHACHA20"))
    return common[0] if common else None


#: What a client that names no algorithms is taken to support (RFC 5246, section 7.4.1.4.1).
_LEGACY = (
    SignatureAlgorithm("rsa_pkcs1", "sha1"),
    SignatureAlgorithm("dsa", "sha1"),
    SignatureAlgorithm("ecdsa", "sha1"),
)


@lru_cache(maxsize=4096)
def _client_signatures(numbers: tuple[int, ...] | None) -> tuple[SignatureAlgorithm, ...]:
    if numbers is None:
        return _LEGACY
    return tuple(found for number in numbers if (found := numbered(number)) is not None)


def _shared_signatures(server: ServerOffer, client: Hello) -> tuple[SignatureAlgorithm, ...]:
    theirs = _client_signatures(client.signatures)
    if server.signatures is None:
        ours = _default_signatures(server.openssl)
    else:
        ours = server.signatures
    first, second = (ours, theirs) if server.order.server else (theirs, ours)
    return tuple(algorithm for algorithm in first if algorithm in second)


# The order of tls12_sigalgs in ssl/t1_lib.c, which is the same from 1.1.1 on but for what each adds.
_DEFAULT = (
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x081A, 0x081B, 0x081C, 0x0809, 0x080A, 0x080B, 0x0804, 0x0805, 0x0806,
    0x0401, 0x0501, 0x0601, 0x0303, 0x0203, 0x0301, 0x0201, 0x0302, 0x0202, 0x0402, 0x0502, 0x0602,
)  # fmt: skip
_BRAINPOOL = frozenset((0x081A, 0x081B, 0x081C))


@lru_cache(maxsize=64)
def _default_signatures(openssl: OpenSSL) -> tuple[SignatureAlgorithm, ...]:
    left_out = _BRAINPOOL if openssl.version < (3, 2) else frozenset()
    return _client_signatures(tuple(number for number in _DEFAULT if number not in left_out))


def _group_names(numbers: tuple[int, ...] | None) -> str:
    from .groups import by_number

    if numbers is None:
        return "none"
    names = [found.name if (found := by_number(number)) else f"0x{number:04x}" for number in numbers]
    return " ".join(names[:6]) + (" …" if len(names) > 6 else "")
