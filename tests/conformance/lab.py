"""A bench for questions to real nginx: certificates, one process per question, and its answers."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import http.client
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from generations import Generation
from hello import count

import nginxtls
from nginxtls.model import Configuration, refusals

Difference = tuple[str, Any, Any]
"""A field in which nginx and the model differ: its name, what is seen, what is predicted."""
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


# -- certificates -----------------------------------------------------------------------------------------------------


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key(kind: str) -> Key:
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    return ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])


def _certificate(subject: str, key: Key, issuer: str, signer: Key, *, ca: bool) -> x509.Certificate:
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=60))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(signer, digest)


def make_certificates(folder: Path) -> None:
    """a-ec, b-ec, a-rsa, b-rsa, ed, rsa1024: .pem with the intermediate, -only.pem without, .key; root.pem, two.pem.

    ``deep`` has two intermediates, ``foreign`` is below the second root of two.pem alone, which is ``other.pem``.
    ``intermediate.pem`` has the intermediate that all others are below. ``unread/`` has copies of the .pem files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root, inter, other = _key("p256"), _key("p256"), _key("p256")
    root_certificate = _certificate("lab root", root, "lab root", root, ca=True)
    inter_certificate = _certificate("lab intermediate", inter, "lab root", root, ca=True)
    other_certificate = _certificate("lab other root", other, "lab other root", other, ca=True)

    def pem(*certificates: x509.Certificate) -> bytes:
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)

    files = {"root": (root_certificate,), "two": (root_certificate, other_certificate)}
    files |= {"intermediate": (inter_certificate,), "other": (other_certificate,)}
    for label, certificates in files.items():
        (folder / f"{label}.pem").write_bytes(pem(*certificates))
    leafs = {
        "a-ec": "p256",
        "b-ec": "p384",
        "a-rsa": "rsa2048",
        "b-rsa": "rsa3072",
        "ed": "ed25519",
        "rsa1024": "rsa1024",
        "deep": "p256",
        "foreign": "p256",
    }
    second = _key("p256")
    second_certificate = _certificate("lab second intermediate", second, "lab intermediate", inter, ca=True)
    issuers: dict[str, tuple[str, Key, tuple[x509.Certificate, ...]]] = {
        "deep": ("lab second intermediate", second, (second_certificate, inter_certificate)),
        "foreign": ("lab other root", other, ()),
    }
    for label, kind in leafs.items():
        key = _key(kind)
        issuer, signer, above = issuers.get(label, ("lab intermediate", inter, (inter_certificate,)))
        leaf = _certificate(f"{label}.test", key, issuer, signer, ca=False)
        (folder / f"{label}.pem").write_bytes(pem(leaf, *above))
        (folder / f"{label}-only.pem").write_bytes(pem(leaf))
        (folder / f"{label}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    unread = folder / "unread"
    unread.mkdir(exist_ok=True)
    for file in folder.glob("*.pem"):
        (unread / file.name).write_bytes(file.read_bytes())
    for bits in (1024, 2048):
        command = ["openssl", "dhparam", "-dsaparam", "-out", str(folder / f"dh{bits}.pem"), str(bits)]
        subprocess.run(command, capture_output=True, check=True)


# -- nginx ------------------------------------------------------------------------------------------------------------


@dataclass
class Trial:
    """A configuration before it is run: its model, the lines of ``nginx -t``, and what stops nginx by either."""

    main: Path
    configuration: Configuration
    lines: list[str]
    emerg: list[str]
    refused: list[str]

    @property
    def runs(self) -> bool:
        """Both accept it."""
        return not self.emerg and not self.refused

    @property
    def differences(self) -> list[Difference]:
        """That only one of them accepts it."""
        if bool(self.emerg) == bool(self.refused):
            return []
        return [("starts", self.emerg or "starts", self.refused or "starts")]


class Bench:
    """A folder in which configurations of one generation are tested and run; ``started`` counts the runs."""

    def __init__(self, generation: Generation, folder: Path) -> None:
        self.generation = generation
        self.folder = folder
        self.started = 0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def head(self) -> str:
        """The top of a whole configuration: modules and where temporary files go."""
        load = "".join(
            f"load_module {self.generation.modules}/ngx_{name}_module.so;\n"
            for name in ("stream", "mail")
            if (self.generation.modules / f"ngx_{name}_module.so").exists()
        )
        log = f"pid {self.folder}/pid; error_log {self.folder}/error.log;"
        return f"{load}daemon off; master_process off; {log}\nevents {{}}\n"

    @property
    def http_head(self) -> str:
        temp = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        return "access_log off; " + " ".join(f"{name}_temp_path {self.folder}/t_{name};" for name in temp)

    def write(self, files: dict[str, str]) -> Path:
        """Write a configuration of several files; the main one is ``nginx.conf``."""
        for name, text in files.items():
            (self.folder / name).write_text(text)
        return self.folder / "nginx.conf"

    def test(self, main: Path) -> list[str]:
        """``nginx -t``: the lines it prints about the configuration, none if it is silent."""
        command = [self.generation.nginx, "-t", "-p", self.folder, "-c", main]
        reported = subprocess.run(
            command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False
        )
        noise = ("could not open error log", "test failed", "test is successful", "syntax is ok")
        return [line for line in reported.stderr.splitlines() if line and not any(word in line for word in noise)]

    def tried(self, files: dict[str, str], load: Callable[..., Configuration] = nginxtls.load) -> Trial:
        """Write a configuration, test it, and ask the model whether nginx starts."""
        main = self.write(files)
        built = self.generation
        configuration = load(main, nginx_version=built.nginx_version, openssl_version=built.openssl_version)
        lines = self.test(main)
        refused = [refusal.message for refusal in refusals(configuration) if refusal.level == "emerg"]
        return Trial(main, configuration, lines, [line for line in lines if "[emerg]" in line], refused)

    @contextlib.contextmanager
    def running(self, main: Path, port: int) -> Iterator[None]:
        """nginx while it serves the configuration; ready once ``port`` takes connections."""
        command = [self.generation.nginx, "-p", self.folder, "-c", main]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            for _ in range(300):
                if process.poll() is not None:
                    raise RuntimeError(process.stderr.read() if process.stderr else "nginx stopped")
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                time.sleep(0.01)
            self.started += 1
            yield
        finally:
            process.terminate()
            process.wait()
            if process.stderr:
                process.stderr.close()


@cache
def _client() -> ssl.SSLContext:
    """A client that trusts everybody and speaks what its OpenSSL can."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def get(address: str, port: int, name: str | None, path: str) -> tuple[int, dict[str, str], str] | None:
    """GET a path over TLS from a server named by SNI and Host: status, headers (lower case) and body."""
    count()
    try:
        plain = socket.create_connection((address, port), 5)
        connection = http.client.HTTPConnection(address, port)
        connection.sock = _client().wrap_socket(plain, server_hostname=name)
        connection.request("GET", path, headers={"Host": name or "localhost.invalid"})
        answer = connection.getresponse()
        body = answer.read().decode("latin-1")
        # Of a header that is sent twice clients take the first (RFC 6797, section 8.1).
        return answer.status, {k.lower(): v for k, v in reversed(answer.getheaders())}, body
    except (OSError, http.client.HTTPException):
        return None


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nginxtls-lab-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sha256(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()
