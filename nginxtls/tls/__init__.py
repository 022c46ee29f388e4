"""Facts of TLS as OpenSSL has them: protocol versions, cipher suites and strings, groups, policies. Knows no nginx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import lazily

from .ciphers import CipherString, Evaluation, UnknownWord, Word
from .ciphersuites import Ciphersuites, evaluate_ciphersuites
from .groups import Group, GroupList, evaluate_groups, group
from .levels import protocol_allowed, security_bits, suite_allowed
from .negotiation import ServerKey, negotiable, without_ciphers
from .openssl import OpenSSL
from .sigalgs import SignatureAlgorithm, signature_algorithms
from .suites import PROTOCOLS, Suite, draft_tls13_suite, suite, suites
from .system import SystemConfiguration, parse_openssl_conf

if TYPE_CHECKING:
    from .policy_files import Effective, Objection, Policy, PolicyError, load_policy, policies, policy

__all__ = [
    "PROTOCOLS",
    "CipherString",
    "Ciphersuites",
    "Effective",
    "Evaluation",
    "Group",
    "GroupList",
    "Objection",
    "OpenSSL",
    "Policy",
    "PolicyError",
    "ServerKey",
    "SignatureAlgorithm",
    "Suite",
    "SystemConfiguration",
    "UnknownWord",
    "Word",
    "draft_tls13_suite",
    "evaluate_ciphersuites",
    "evaluate_groups",
    "group",
    "load_policy",
    "negotiable",
    "parse_openssl_conf",
    "policies",
    "policy",
    "protocol_allowed",
    "security_bits",
    "signature_algorithms",
    "suite",
    "suite_allowed",
    "suites",
    "without_ciphers",
]

__getattr__ = lazily(__name__, policy_files="Effective Objection Policy PolicyError load_policy policies policy")
