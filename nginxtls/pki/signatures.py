"""Whether a certificate was signed with a key: yes, no, or not supported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nginxtls.base.bounded import bounded
from nginxtls.pki import der
from nginxtls.pki.algorithms import pss_hash
from nginxtls.pki.library import LibraryRefusal, guarded
from nginxtls.pki.oids import known

if TYPE_CHECKING:
    from nginxtls.pki.certificate import Certificate


def verify(certificate: Certificate, public_key: bytes) -> bool | None:
    """Whether the key (a SubjectPublicKeyInfo in DER) made the signature; None if the algorithm is not supported."""
    # OpenSSL rejects it as RFC 5280 section 4.1.1.2 requires (X509_verify in x_all.c).
    if not certificate.signature_algorithms_agree:
        return False
    return verify_signature(
        certificate.signature_algorithm_oid,
        certificate.signature_parameters,
        certificate.signature,
        certificate.signed,
        public_key,
    )


@bounded(8192, 16_000_000)
def verify_signature(oid: str, parameters: bytes, signature: bytes, signed: bytes, public_key: bytes) -> bool | None:
    """The same for any signed data, with the algorithm's OID and its parameters in DER."""
    try:
        return guarded(lambda: _verify(oid, parameters, signature, signed, public_key))
    except LibraryRefusal:
        return None


def _verify(oid: str, parameters: bytes, signature: bytes, signed: bytes, public_key: bytes) -> bool | None:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    algorithm = known("signature", oid)
    if algorithm is None:
        return None
    name, digest = algorithm
    try:
        key = _public_key(public_key)
        if name == "rsassaPss":
            arguments: tuple[Any, ...] | None = _pss(parameters)
            fits = isinstance(key, rsa.RSAPublicKey)
        elif "RSA" in name:
            arguments, fits = (padding.PKCS1v15(), _hash(digest)), isinstance(key, rsa.RSAPublicKey)
        elif name.startswith("ecdsa"):
            arguments, fits = (ec.ECDSA(_hash(digest)),), isinstance(key, ec.EllipticCurvePublicKey)
        elif name.startswith("dsa"):
            arguments, fits = (_hash(digest),), type(key).__name__ == "DSAPublicKey"
        else:
            arguments, fits = (), type(key).__name__.startswith(name.replace("-", ""))
        if arguments is None:
            return None
        if not fits:
            return False
        key.verify(signature, signed, *arguments)
        return True
    except InvalidSignature:
        return False
    except (UnsupportedAlgorithm, AttributeError):
        return None
    except ValueError:
        return False


@bounded(1024, 2_000_000)
def _public_key(info: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    return load_der_public_key(info)


def _hash(name: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    return getattr(hashes, name.upper())()


def _pss(parameters: bytes) -> tuple[Any, ...] | None:
    from cryptography.hazmat.primitives.asymmetric import padding

    digest, salt = pss_hash(parameters), 20
    if digest is None:
        return None
    for tag, value in der.elements(der.contents(parameters, der.SEQUENCE)):
        if tag == 0xA2:
            salt = der.integer(der.contents(value, der.INTEGER))
    return padding.PSS(padding.MGF1(_hash(digest)), salt), _hash(digest)
