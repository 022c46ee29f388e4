"""Certificates as a TLS client sees them: bundles, keys, chains, trust, names, lifetimes. Independent of nginx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import lazily

if TYPE_CHECKING:
    from nginxtls.pki.certificate import Certificate, SubjectAltName
    from nginxtls.pki.chain import Chain, analyse_chain
    from nginxtls.pki.crl import CRLs, RevocationList, read_crl
    from nginxtls.pki.damage import Problem
    from nginxtls.pki.hostnames import NameMatch, covered, covering, match_hostname
    from nginxtls.pki.keys import DHParameters, KeyProblem, PrivateKey, is_roca, read_dhparam, read_key
    from nginxtls.pki.lifetimes import exceeds_limit, lifetime_limit, looks_public, renewal_threshold
    from nginxtls.pki.ocsp import Answer, Response, read_ocsp
    from nginxtls.pki.path import PathVerdict, Reason, build_path
    from nginxtls.pki.pem import Block, Bundle, read_bundle
    from nginxtls.pki.trust import TrustStore

__all__ = [
    "Answer",
    "Block",
    "Bundle",
    "CRLs",
    "Certificate",
    "Chain",
    "DHParameters",
    "KeyProblem",
    "NameMatch",
    "PathVerdict",
    "PrivateKey",
    "Problem",
    "Reason",
    "Response",
    "RevocationList",
    "SubjectAltName",
    "TrustStore",
    "analyse_chain",
    "build_path",
    "covered",
    "covering",
    "exceeds_limit",
    "is_roca",
    "lifetime_limit",
    "looks_public",
    "match_hostname",
    "read_bundle",
    "read_crl",
    "read_dhparam",
    "read_key",
    "read_ocsp",
    "renewal_threshold",
]

__getattr__ = lazily(
    __name__,
    certificate="Certificate SubjectAltName",
    chain="Chain analyse_chain",
    crl="CRLs RevocationList read_crl",
    hostnames="NameMatch covered covering match_hostname",
    damage="Problem",
    keys="DHParameters KeyProblem PrivateKey is_roca read_dhparam read_key",
    lifetimes="exceeds_limit lifetime_limit looks_public renewal_threshold",
    ocsp="Answer Response read_ocsp",
    path="PathVerdict Reason build_path",
    pem="Block Bundle read_bundle",
    trust="TrustStore",
)
