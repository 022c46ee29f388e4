"""Random settings of a TLS server, a real nginx that serves them, and what it negotiates, suite by suite."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nginxtls.tls import (
    PROTOCOLS,
    CipherString,
    OpenSSL,
    ServerKey,
    evaluate_ciphersuites,
    evaluate_groups,
    negotiable,
    parse_openssl_conf,
    suites,
    without_ciphers,
)
from tests.conformance.cipher_strings import generated
from tests.conformance.hello import ask, client_hello

Generation = dict[str, Any]

# What `openssl req -newkey` is told, and the key that comes out.
KEYS = {
    "rsa1024": (["rsa:1024"], ServerKey("RSA", 1024)),
    "rsa2048": (["rsa:2048"], ServerKey("RSA", 2048)),
    "rsa3072": (["rsa:3072"], ServerKey("RSA", 3072)),
    "pss2048": (["rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"], ServerKey("RSA-PSS", 2048)),
    "p256": (["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], ServerKey("EC", 256, "prime256v1")),
    "p384": (["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], ServerKey("EC", 384, "secp384r1")),
    "p521": (["ec", "-pkeyopt", "ec_paramgen_curve:P-521"], ServerKey("EC", 521, "secp521r1")),
    "k256": (["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], ServerKey("EC", 256, "secp256k1")),
    "p224": (["ec", "-pkeyopt", "ec_paramgen_curve:P-224"], ServerKey("EC", 224, "secp224r1")),
    "brainpool": (
        ["ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"],
        ServerKey("EC", 256, "brainpoolP256r1"),
    ),
    "ed25519": (["ed25519"], ServerKey("Ed25519", None)),
    "ed448": (["ed448"], ServerKey("Ed448", None)),
}
DHPARAMS = (1024, 2048, 3072)
CURVES = (
    "auto",
    "auto",
    "auto",
    "auto",
    "auto",
    "prime256v1",
    "X25519",
    "X25519:secp384r1",
    "secp521r1:X448",
    "brainpoolP256r1",
    "prime192v1",
    "secp384r1:prime256v1",
    "ffdhe2048",
    "X25519MLKEM768",
    "X25519MLKEM768:X25519",
    "secp256r1",
    "?nosuch:P-256",
)
CIPHERSUITES = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_CCM_8_SHA256",
    "TLS_AES_128_CCM_SHA256:TLS_AES_128_GCM_SHA256:NOSUCH",
    "TLS_SHA256_SHA256",
)
PLAIN = (
    "HIGH:!aNULL:!MD5",
    "ALL:COMPLEMENTOFALL",
    "DEFAULT",
    "ECDHE+AESGCM:DHE+AESGCM:kRSA",
    "AES128-SHA",
    "EECDH+CHACHA20",
    "ALL",
    "ECDHE-ECDSA-AES128-GCM-SHA256:AES256-SHA:DHE-RSA-AES128-SHA",
    "TLSv1.2",
    "kRSA",
    "DHE",
    "SHA1",
)
SYSTEM = (
    "CipherString = DEFAULT:@SECLEVEL=0",
    "CipherString = AES128-SHA:@SECLEVEL=1",
    "MinProtocol = TLSv1.3",
    "MaxProtocol = TLSv1.1",
    "Groups = P-384:X25519",
    "Ciphersuites = TLS_CHACHA20_POLY1305_SHA256",
)
CONF = "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = server\n[server]\n"
# All groups that IANA has numbered and some OpenSSL has.
GROUPS = (*range(1, 34), 41, *range(256, 261), *range(512, 515), *range(4587, 4591))


@dataclass(frozen=True)
class Setting:
    """What is drawn for one server."""

    keys: tuple[str, ...]
    ciphers: str
    ciphersuites: str | None
    protocols: tuple[str, ...]
    dhparam: int | None
    curves: str
    system: str
    """Commands of an openssl.cnf."""


def draw(seed: int, nginx: tuple[int, ...]) -> Setting:
    rng = random.Random(seed)
    ciphers = rng.choice(PLAIN) if rng.random() < 0.6 else next(iter(generated(1, seed)))
    if rng.random() < 0.5 and "SECLEVEL" not in ciphers:
        ciphers += f":@SECLEVEL={rng.choice((0, 0, 0, 0, 1, 1, 2, 3, 4))}"
    kinds = rng.sample(("rsa2048", "p256"), 1) if rng.random() < 0.5 else rng.sample(list(KEYS), rng.choice((1, 1, 2)))
    # Of two keys of one type only the last is used.
    keys = {KEYS[k][1].kind: k for k in kinds}
    protocols = tuple(p for p in PROTOCOLS[2:] if rng.random() < 0.7) or ("TLSv1.2",)
    ciphersuites = rng.choice(CIPHERSUITES) if nginx >= (1, 19, 4) and rng.random() < 0.3 else None
    dhparam, curves = rng.choice((None, None, 1024, 2048, 2048, 3072)), rng.choice(CURVES)
    system = "\n".join(line for line in SYSTEM if rng.random() < 0.1)
    return Setting(tuple(keys.values()), ciphers, ciphersuites, protocols, dhparam, curves, system)


def make_keys(openssl: Path, folder: Path) -> None:
    """Certificates of all kinds, self-signed, and DH parameters."""
    for name, (options, _) in KEYS.items():
        command = [str(openssl), "req", "-x509", "-newkey", *options, "-nodes", "-subj", f"/CN={name}", "-days", "30"]
        command += ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
        subprocess.run(command, check=True, capture_output=True)
    for bits in DHPARAMS:
        path = str(folder / f"dh{bits}.pem")
        command = [
            str(openssl),
            "genpkey",
            "-genparam",
            "-algorithm",
            "DH",
            "-pkeyopt",
            f"group:ffdhe{bits}",
            "-out",
            path,
        ]
        if bits < 2048:
            command = [str(openssl), "dhparam", "-dsaparam", "-out", path, str(bits)]
        subprocess.run(command, check=True, capture_output=True)


def predicted(setting: Setting, generation: Generation) -> dict[str, list[str]] | str:
    """The suites by version that we say a client can get, or why nginx refuses to start."""
    openssl = OpenSSL.parse(generation["openssl_version"], "debian")
    nginx = tuple(map(int, generation["nginx_version"].split(".")))
    evaluation = CipherString(setting.ciphers).evaluate(openssl)
    system = parse_openssl_conf(CONF + setting.system)
    groups = evaluate_groups(system.groups if setting.curves == "auto" else setting.curves, openssl)
    modern = evaluate_ciphersuites(setting.ciphersuites or system.ciphersuites, openssl)
    if error := evaluation.error or groups.error or modern.error:
        return error
    given = evaluation.security_level
    default = system.level(openssl)
    level = default if given is None else given
    keys = [KEYS[k][1] for k in setting.keys]
    # nginx before 1.21.2 loads certificates before it knows the level of ssl_ciphers.
    loaded_at = level if nginx >= (1, 21, 2) else default
    if any(not key.allowed(loaded_at) for key in keys):
        return "key too small"
    if setting.dhparam and openssl.version >= (3,) and not _dh_fits(setting.dhparam, level):
        return "dh key too small"
    common: dict[str, Any] = {
        "evaluation": evaluation,
        "protocols": setting.protocols,
        "level": level,
        "openssl": openssl,
    }
    if without_ciphers(ciphersuites=modern.suites, **common):
        return {}
    found = negotiable(keys=keys, ciphersuites=modern.suites, dhparam_bits=setting.dhparam, groups=groups, **common)
    return {protocol: [s.name for s in some] for protocol, some in found.items()}


def _dh_fits(bits: int, level: int) -> bool:
    return bits >= {0: 1024, 1: 1024, 2: 2048, 3: 3072}.get(level, 7680)


def seen(setting: Setting, generation: Generation, folder: Path) -> dict[str, list[str]] | str:
    """The suites by version that a real nginx negotiates, in its order, or nginx's reason for refusing to start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    certificates = "".join(
        f"ssl_certificate {folder}/{k}.pem; ssl_certificate_key {folder}/{k}.key;\n" for k in setting.keys
    )
    temporary = "".join(f"{n}_temp_path {folder}/t;" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    lines = [
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{}}",
        f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port} ssl; ssl_session_cache off;",
        certificates,
        f"ssl_protocols {' '.join(setting.protocols)}; ssl_prefer_server_ciphers on; ssl_ecdh_curve {setting.curves};",
        f'ssl_ciphers "{setting.ciphers}";',
        f"ssl_dhparam {folder}/dh{setting.dhparam}.pem;" if setting.dhparam else "",
        f"ssl_conf_command Ciphersuites {setting.ciphersuites};" if setting.ciphersuites else "",
        "}}",
    ]
    main, conf = folder / "nginx.conf", folder / "openssl.cnf"
    main.write_text("\n".join(lines))
    conf.write_text(CONF + setting.system)
    with _running([str(generation["nginx"]), "-p", str(folder), "-c", str(main)], port, conf) as refusal:
        if refusal:
            return refusal
        found = {p: list(_suites(port, p)) for p in PROTOCOLS[2:]}
        if not generation["openssl_version"].startswith(("1.", "3.")):
            # A client that offers finite fields gets those or no DHE at all (RFC 7919); one without, ssl_dhparam.
            for protocol in PROTOCOLS[2:5]:
                found[protocol] = max(found[protocol], list(_suites(port, protocol, curves=True)), key=len)
        if len(setting.keys) > 1:
            old = generation["openssl_version"].startswith("1.")
            for protocol in PROTOCOLS[2:5] if old else PROTOCOLS[2:4]:
                found[protocol] = [*found[protocol], *_singly(port, protocol, found[protocol], setting.ciphers)]
        # 1.1.1 looks at the key only after its first answer.
        if (
            found["TLSv1.3"]
            and generation["openssl_version"].startswith("1.")
            and not _completes(port, setting, generation)
        ):
            del found["TLSv1.3"]
    return {protocol: some for protocol, some in found.items() if some}


def agree(ours: dict[str, list[str]] | str, theirs: dict[str, list[str]] | str) -> bool:
    """Whether both refuse to start, or serve the same suites in the same order.

    Before TLS 1.2 order is left out: a server with two keys does not tell it to the end (see ``_singly``).
    """
    if isinstance(ours, str) or isinstance(theirs, str):
        return isinstance(ours, str) and isinstance(theirs, str)
    if ours.keys() != theirs.keys():
        return False
    return all(sorted(ours[p]) == sorted(theirs[p]) if p < "TLSv1.2" else ours[p] == theirs[p] for p in ours)


@contextlib.contextmanager
def _running(command: list[str], port: int, conf: Path) -> Iterator[str | None]:
    environment = {**os.environ, "OPENSSL_CONF": str(conf)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        for _ in range(500):
            if process.poll() is not None:
                yield process.stderr.read() if process.stderr else ""
                return
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.01)
        yield None
    finally:
        process.terminate()
        process.wait()
        if process.stderr:
            process.stderr.close()


def _suites(port: int, protocol: str, curves: bool = False) -> Iterator[str]:
    """The suites of a version in the server's order: each answer is left out of the next question.

    With ``curves`` the client offers no finite fields.
    """
    groups = [g for g in GROUPS if not (curves and 256 <= g < 512)]
    offered = {s.number: s.name for s in suites() if (s.protocol == "TLSv1.3") == (protocol == "TLSv1.3")}
    while offered:
        flight = ask("127.0.0.1", port, client_hello([protocol], list(offered), None, groups=groups))
        if not flight.accepted or flight.suite not in offered or flight.version != protocol:
            return
        yield offered.pop(flight.suite)


def _singly(port: int, protocol: str, found: list[str], ciphers: str) -> Iterator[str]:
    """The suites that only a client without others gets, in the order of the string.

    1.1.1 chooses a suite of a key that may not sign: an EC key where the level excludes SHA-1, or one too small for it.
    """
    order = [s for s in CipherString(ciphers).evaluate(OpenSSL.parse("1.1.1")).suites if s.name not in found]
    for s in dict.fromkeys((*order, *suites())):
        if s.name not in found and protocol in s.protocols:
            flight = ask("127.0.0.1", port, client_hello([protocol], [s.number], None, groups=GROUPS))
            if flight.accepted and flight.suite == s.number and flight.version == protocol:
                yield s.name


def _completes(port: int, setting: Setting, generation: Generation) -> bool:
    """Whether a TLS 1.3 handshake comes to its end."""
    known = evaluate_ciphersuites(None, OpenSSL.parse(generation["openssl_version"])).suites
    offered = setting.ciphersuites or ":".join(s.name for s in known)
    command = [str(generation["openssl"]), "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-brief"]
    command += ["-cipher", "ALL:@SECLEVEL=0", "-ciphersuites", offered]
    command += ["-groups", setting.curves] if setting.curves != "auto" else []
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False, timeout=20)
    return "CONNECTION ESTABLISHED" in done.stderr
