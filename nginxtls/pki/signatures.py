"""Whether a certificate was signed with a key: yes, no, or not known here."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nginxtls.pki import der
from nginxtls.pki.oids import known

if TYPE_CHECKING:
    from nginxtls.pki.certificate import Certificate

_HASHES = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}


@lru_cache(50000)
def verify(certificate: Certificate, public_key: bytes) -> bool | None:
    """Whether the key (a SubjectPublicKeyInfo in DER) made the certificate's signature; None if that is not known."""
    # OpenSSL refuses it as RFC 5280 section 4.1.1.2 does (X509_verify in x_all.c).
    if not certificate.signature_algorithms_agree:
        return False
    return verify_signature(
        certificate.signature_algorithm_oid,
        certificate.signature_parameters,
        certificate.signature,
        certificate.signed,
        public_key,
    )


def verify_signature(oid: str, parameters: bytes, signature: bytes, signed: bytes, public_key: bytes) -> bool | None:
    """The same for anything signed, with the algorithm's identifier and parameters in DER."""
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


@lru_cache(1024)
def _public_key(info: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    return load_der_public_key(info)


def _hash(name: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    return getattr(hashes, name.upper())()


def pss_hash(parameters: bytes) -> str | None:
    """The hash of RSASSA-PSS parameters (RFC 4055 section 3.1); None if it is not known."""
    try:
        for tag, value in der.elements(der.contents(parameters, der.SEQUENCE)):
            if tag == 0xA0:
                _, start, end = der.element(value)
                _, start, end = der.element(value, start)
                return _HASHES.get(der.oid(value[start:end]))
    except der.DerError:
        return None
    return "sha1"


def _pss(parameters: bytes) -> tuple[Any, ...] | None:
    from cryptography.hazmat.primitives.asymmetric import padding

    digest, salt = pss_hash(parameters), 20
    if digest is None:
        return None
    for tag, value in der.elements(der.contents(parameters, der.SEQUENCE)):
        if tag == 0xA2:
            salt = der.integer(der.contents(value, der.INTEGER))
    return padding.PSS(padding.MGF1(_hash(digest)), salt), _hash(digest)
