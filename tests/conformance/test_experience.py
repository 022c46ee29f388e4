"""What the documentation of rules says that clients experience, with real nginx, Chromium and curl.

Each case is a faulty server and a rule; what Chromium and curl print must be in the rule's paragraph ``Clients:``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nginxtls.linting.registry import installed_rules

sys.path.insert(0, str(Path(__file__).parent))
from servers import free_ports, wait_for

pytestmark = pytest.mark.conformance
CHROMIUM, CURL, CERTUTIL = (shutil.which(name) or "" for name in ("chromium", "curl", "certutil"))
NOW = datetime.now(timezone.utc).replace(microsecond=0)
SITE = "example.com"
PEM = serialization.Encoding.PEM
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Pair(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key


def issue(
    name: str,
    issuer: Pair | None = None,
    *,
    key: Key | None = None,
    names: tuple[str, ...] = (SITE,),
    days: tuple[int, int] = (-10, 50),
    ca: int | None = None,
    usage: str = "digital_signature",
    purpose: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
    extra: x509.ExtensionType | None = None,
    permitted: str = "",
) -> Pair:
    """A certificate; ``ca`` is the number of CAs that may be below it, None for a leaf."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    kinds = "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign"
    bits = {kind: kind == usage for kind in f"{kinds} crl_sign encipher_only decipher_only".split()}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca is not None, ca), critical=True)
        .add_extension(x509.KeyUsage(**bits), critical=True)
    )
    if ca is None and names:
        builder = builder.add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, names)]), critical=False)
    if ca is None and purpose:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if extra:
        builder = builder.add_extension(extra, critical=True)
    if permitted:
        builder = builder.add_extension(x509.NameConstraints([x509.DNSName(permitted)], None), critical=True)
    signer: Any = issuer.key if issuer else own
    return Pair(builder.sign(signer, hashes.SHA256()), own)


def authority(name: str, issuer: Pair | None = None, **options: Any) -> Pair:
    return issue(name, issuer, **{"ca": 3, "usage": "key_cert_sign", "days": (-10, 900), **options})


ROOT = authority("Experience Root")
SUB = authority("Experience Intermediate", ROOT)
LEAF = issue(SITE, SUB)


def precertificate() -> list[Pair]:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.3"), b"\x05\x00")
    return [issue(SITE, SUB, extra=unknown), SUB]


def below(middle: Pair, **options: Any) -> list[Pair]:
    return [issue(SITE, middle, **options), middle]


def too_deep() -> list[Pair]:
    shallow = authority("Experience Shallow", ROOT, ca=0)
    deep = authority("Experience Deep", shallow, ca=0)
    return [issue(SITE, deep), deep, shallow]


CHAINS: dict[str, Callable[[], list[Pair]]] = {
    "expired-certificate": lambda: below(SUB, days=(-50, -1)),
    "certificate-not-yet-valid": lambda: below(SUB, days=(5, 50)),
    "expired-intermediate": lambda: below(authority("Experience Old", ROOT, days=(-50, -1))),
    "missing-intermediate": lambda: [LEAF],
    "name-mismatch": lambda: below(SUB, names=("other.example",)),
    "no-server-auth": lambda: below(SUB, purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
    "missing-digital-signature": lambda: below(SUB, usage="data_encipherment", purpose=None),
    "ca-certificate-as-leaf": lambda: below(SUB, usage="key_cert_sign", purpose=None),
    "self-signed-certificate": lambda: [issue(SITE)],
    "untrusted-root": lambda: below(authority("Experience Stranger")),
    "intermediate-not-a-ca": lambda: below(issue("Experience Impostor", ROOT)),
    "name-constraint-violated": lambda: below(authority("Experience Elsewhere", ROOT, permitted="other.example")),
    "path-length-exceeded": too_deep,
    "unknown-critical-extension": precertificate,
    "uncommon-key-type": lambda: below(SUB, key=ec.generate_private_key(ec.SECP256K1())),
}
"""Rules about a certificate or its chain, with a chain that has the fault."""

SERVERS = {
    "unusable-ciphers": "listen PORT ssl; ssl_protocols TLSv1.2; ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;",
    "dead-default-server": "listen PORT ssl; ssl_protocols TLSv1 TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;",
    "unreachable-address-name": "listen PORT ssl; ssl_reject_handshake on;",
    "plain-http-on-tls-port": "listen PORT;",
    "proxy-protocol-on-shared-socket": "listen PORT ssl proxy_protocol;",
    "certificate-path-with-variables": "listen PORT ssl; ssl_certificate /nowhere/$ssl_server_name.pem;",
    "redirect-to-impossible-host": "listen PORT ssl; return 301 https://_/;",
    "redirect-loop": "listen PORT ssl; return 301 https://$http_host/;",
    "post-quantum-groups-only": "listen PORT ssl; ssl_ecdh_curve X25519MLKEM768;",
}
"""Rules about a server, with its lines."""

PLAIN = {
    "tls-on-http-port": ("listen PORT ssl;", "400 The plain HTTP request was sent to HTTPS port"),
    "proxy-protocol-mismatch": ("listen PORT proxy_protocol;", "ERR_EMPTY_RESPONSE"),
}
"""Rules about requests to ``http://``, with the lines of a server and what Chromium shows."""


class Site(NamedTuple):
    """A real nginx that can serve any chain, and the clients."""

    nginx: dict[str, str]
    folder: Path

    def serve(self, lines: str, chain: list[Pair], port: int, generation: str) -> subprocess.Popen[bytes]:
        key = chain[0].key.private_bytes(
            PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        (self.folder / "site.pem").write_bytes(b"".join(each.certificate.public_bytes(PEM) for each in chain))
        (self.folder / "site.key").write_bytes(key)
        own = "" if "ssl_certificate " in lines else f"ssl_certificate {self.folder}/site.pem;"
        (self.folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {self.folder}/pid; error_log {self.folder}/error.log; events {{}}\n"
            f"http {{ access_log off; server {{ {lines.replace('PORT', str(port))} {own}\n"
            f"ssl_certificate_key {self.folder}/site.key; root {self.folder}; }} }}\n"
        )
        return subprocess.Popen(
            [self.nginx[generation], "-p", str(self.folder), "-c", "nginx.conf"], stderr=subprocess.DEVNULL
        )

    def chromium(self, url: str) -> str:
        """The error that Chromium shows, or the page's text."""
        done = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.folder}/profile",
             f"--host-resolver-rules=MAP {SITE} 127.0.0.1", "--dump-dom", url],
            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        failed = re.search(r"Page load failed: net::(ERR_\w+)", done.stderr)
        return failed[1] if failed else done.stdout

    def curl(self, url: str, port: int) -> tuple[int, str]:
        """The exit code of curl and its message."""
        done = subprocess.run(
            [CURL, "-sSL", "--cacert", str(self.folder / "root.pem"), "--resolve", f"{SITE}:{port}:127.0.0.1", url],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stderr.strip()


@pytest.fixture(scope="module")
def site(generations: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Site:
    if not (CHROMIUM and CURL and CERTUTIL):
        pytest.skip("needs Chromium, curl and certutil (libnss3-tools)")
    folder = tmp_path_factory.mktemp("experience")
    (folder / "logs").mkdir()
    (folder / "root.pem").write_bytes(ROOT.certificate.public_bytes(PEM))
    store = folder / ".pki/nssdb"
    store.mkdir(parents=True)
    for words in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "root", "-i", str(folder / "root.pem")]):
        subprocess.run([CERTUTIL, "-d", f"sql:{store}", *words], check=True, capture_output=True)
    return Site({str(each["name"]): str(each["nginx"]) for each in generations}, folder)


def visit(
    site: Site, url: str, lines: str, chain: list[Pair], generation: str = "trixie"
) -> tuple[str, tuple[int, str]]:
    """What Chromium and curl print."""
    port = free_ports(1)[0]
    process = site.serve(lines, chain, port, generation)
    try:
        wait_for(port)
        address = f"{url}{SITE}:{port}/"
        return site.chromium(address), site.curl(address, port)
    finally:
        process.kill()
        process.wait()


def agrees(rule: str, chromium: str, curl: tuple[int, str]) -> list[str]:
    """What the paragraph of a rule lacks of what clients print: Chromium's error, and curl's exit code or text."""
    text = installed_rules()[rule].experience
    lacks = [f"Chromium: {chromium[:200]}"] if chromium.startswith("ERR_") and chromium not in text else []
    code, message = curl
    named = (f"code {code}", f"curl: ({code})", "OpenSSL clients", "handshake failure", "wrong version number")
    if code and not any(word in text for word in named):
        lacks.append(f"curl: {code} {message}")
    said = re.findall(r"OpenSSL clients[^`.;]*report `([^`]+)`(?: or `([^`]+)`)?", text)
    return [*lacks, *(f"curl: {message}" for texts in said if not any(each and each in message for each in texts))]


@pytest.mark.parametrize("rule", CHAINS)
def test_a_faulty_chain(rule: str, site: Site) -> None:
    chromium, curl = visit(site, "https://", "listen PORT ssl; return 200 connected;", CHAINS[rule]())
    assert chromium.startswith("ERR_"), chromium
    assert agrees(rule, chromium, curl) == []


@pytest.mark.parametrize("rule", SERVERS)
def test_a_faulty_server(rule: str, site: Site) -> None:
    # OpenSSL 3.5 counts TLS 1.0 out before it looks for suites.
    generation = "bookworm" if rule == "dead-default-server" else "trixie"
    chromium, curl = visit(site, "https://", SERVERS[rule], [LEAF, SUB], generation)
    assert chromium.startswith("ERR_") or rule == "post-quantum-groups-only", chromium
    assert agrees(rule, chromium, curl) == []


@pytest.mark.parametrize("rule", PLAIN)
def test_a_plain_request(rule: str, site: Site) -> None:
    lines, wanted = PLAIN[rule]
    chromium, _ = visit(site, "http://", lines, [LEAF, SUB])
    assert wanted in chromium
    assert wanted in installed_rules()[rule].experience


def test_a_weak_key(site: Site) -> None:
    lines = "listen PORT ssl; ssl_ciphers DEFAULT:@SECLEVEL=0; return 200 connected;"
    weak = rsa.generate_private_key(65537, 1024)
    _, (_, message) = visit(site, "https://", lines, below(SUB, key=weak))
    assert "EE certificate key too weak" in message
    assert "EE certificate key too weak" in installed_rules()["weak-key"].experience


def test_a_good_server(site: Site) -> None:
    lines = "listen PORT ssl; return 200 connected;"
    chromium, curl = visit(site, "https://", lines, [LEAF, SUB])
    assert "connected" in chromium
    assert curl == (0, "")
