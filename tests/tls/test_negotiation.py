"""Groups, TLS 1.3 suites, negotiation, openssl.cnf."""

from __future__ import annotations

from typing import Any

import pytest

from nginxtls.tls import (
    CipherString,
    OpenSSL,
    ServerKey,
    evaluate_ciphersuites,
    evaluate_groups,
    group,
    negotiable,
    parse_openssl_conf,
    without_ciphers,
)

RSA, EC = ServerKey("RSA", 2048), ServerKey("EC", 256, "prime256v1")
BULLSEYE, BOOKWORM, SID = (OpenSSL.parse(v, "debian") for v in ("1.1.1w", "3.0.20", "3.6.5"))


def served(string: str = "HIGH:!aNULL:!MD5", openssl: OpenSSL = BOOKWORM, **change: Any) -> dict[str, list[str]]:
    evaluation = CipherString(string).evaluate(openssl)
    level = evaluation.security_level
    reported: dict[str, Any] = {
        "keys": [RSA],
        "evaluation": evaluation,
        "ciphersuites": evaluate_ciphersuites(None, openssl).suites,
        "protocols": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
        "level": openssl.default_security_level if level is None else level,
        "dhparam_bits": None,
        "openssl": openssl,
        "groups": evaluate_groups(None, openssl),
    }
    return {p: [s.name for s in some] for p, some in negotiable(**{**reported, **change}).items()}


def test_old_versions_need_level_0_on_openssl_3() -> None:
    assert list(served()) == ["TLSv1.2", "TLSv1.3"]
    assert list(served("HIGH:@SECLEVEL=0")) == ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
    assert list(served(openssl=BULLSEYE)) == ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
    assert list(served(openssl=BULLSEYE, keys=[EC])) == ["TLSv1.2", "TLSv1.3"]


def test_the_key_decides_the_authentication() -> None:
    assert all("ECDSA" not in name for name in served()["TLSv1.2"])
    assert all("ECDSA" in name for name in served(keys=[EC])["TLSv1.2"])
    assert served("kRSA", keys=[EC]).keys() == {"TLSv1.3"}
    assert served("kRSA", keys=[ServerKey("RSA-PSS", 2048)]).keys() == {"TLSv1.3"}
    assert served(keys=[ServerKey("EC", 256, "secp256k1")]).keys() == {"TLSv1.2"}
    assert served(keys=[]) == {}


def test_dhe_needs_parameters_that_fit_the_level() -> None:
    assert served("DHE", protocols=["TLSv1.2"]) == {}
    assert served("DHE", protocols=["TLSv1.2"], dhparam_bits=1024) == {}
    assert served("DHE", protocols=["TLSv1.2"], dhparam_bits=2048)


def test_ecdhe_needs_a_group_of_tls_1_2() -> None:
    assert served("ECDHE", SID, groups=evaluate_groups("X25519MLKEM768", SID)).keys() == {"TLSv1.3"}


def test_a_key_too_small_for_the_level_serves_nothing() -> None:
    assert served("ALL:@SECLEVEL=3") == {}
    assert served("ALL:@SECLEVEL=3", keys=[ServerKey("RSA", 3072)])


def test_a_server_without_a_suite_for_its_lowest_versions_answers_nobody() -> None:
    modern = evaluate_ciphersuites(None, BOOKWORM).suites
    only = CipherString("ECDHE+AESGCM").evaluate(BOOKWORM)
    common: dict[str, Any] = {"ciphersuites": modern, "openssl": BOOKWORM, "level": 0}
    assert without_ciphers(evaluation=only, protocols=("TLSv1", "TLSv1.2"), **common) == "TLSv1"
    assert without_ciphers(evaluation=only, protocols=("TLSv1.1", "TLSv1.2"), **common) is None


@pytest.mark.parametrize(
    ("text", "openssl", "names", "error"),
    [
        ("X25519:prime256v1", BOOKWORM, ["X25519", "secp256r1"], None),
        ("X25519MLKEM768:X25519", BOOKWORM, [], "unknown group X25519MLKEM768"),
        ("X25519MLKEM768:X25519", SID, ["X25519MLKEM768", "X25519"], None),
        ("secp256r1", BULLSEYE, [], "unknown group secp256r1"),
        ("X25519:X25519", BOOKWORM, [], "X25519 is repeated"),
        ("?nosuch:-X25519:*P-384/DEFAULT", SID, ["secp384r1", "X25519MLKEM768", "X25519", "secp256r1"], None),
    ],
)
def test_lists_of_groups(text: str, openssl: OpenSSL, names: list[str], error: str | None) -> None:
    found = evaluate_groups(text, openssl)
    assert [g.name for g in found.groups][: len(names)] == names
    assert found.error == error


def test_default_groups() -> None:
    assert [g.name for g in evaluate_groups("auto", SID).groups][:3] == ["X25519MLKEM768", "X25519", "secp256r1"]
    assert evaluate_groups(None, BOOKWORM).default
    assert [g.name for g in evaluate_groups(None, BOOKWORM).tls12] == [
        "X25519",
        "secp256r1",
        "X448",
        "secp521r1",
        "secp384r1",
    ]
    hybrid = group("x25519mlkem768")
    assert hybrid
    assert (hybrid.number, hybrid.post_quantum, hybrid.hybrid, hybrid.tls12) == (4588, True, True, False)


@pytest.mark.parametrize(
    ("text", "openssl", "reason", "suggestion"),
    [
        ("X25519MLKEM768", BOOKWORM, "newer", None),
        ("secp256r1", BULLSEYE, "spelling", "prime256v1"),
        ("prime256", SID, "misspelt", "prime256v1"),
    ],
)
def test_unknown_groups_are_explained(text: str, openssl: OpenSSL, reason: str, suggestion: str | None) -> None:
    (unknown,) = evaluate_groups(text, openssl).unknown
    assert (unknown.reason, unknown.suggestion, unknown.start, unknown.end) == (reason, suggestion, 0, len(text))


def test_tls13_suites() -> None:
    assert [s.name for s in evaluate_ciphersuites("TLS_AES_128_CCM_SHA256:NOSUCH", BOOKWORM).suites] == [
        "TLS_AES_128_CCM_SHA256"
    ]
    assert evaluate_ciphersuites("TLS_AES_128_CCM_SHA256:NOSUCH", BULLSEYE).error == "no cipher match"
    assert evaluate_ciphersuites("", BOOKWORM).suites == ()


CONF = """
openssl_conf = init
[init]
ssl_conf = ssl  # a comment
[ssl]
system_default = default
[default]
CipherString = DEFAULT:@SECLEVEL=1
MinProtocol = TLSv1.3
Groups = "P-384"
1.Options = ServerPreference
2.Options = -SessionTicket, \\
  PrioritizeChaCha
[other]
CipherString = DEFAULT:@SECLEVEL=0
"""


def test_openssl_conf() -> None:
    found = parse_openssl_conf(CONF)
    assert (found.security_level, found.groups) == (1, "P-384")
    assert found.options == ("ServerPreference", "-SessionTicket", "PrioritizeChaCha")
    assert found.ciphersuites is None
    assert parse_openssl_conf(CONF, ("nginx",)) == parse_openssl_conf("")
    assert parse_openssl_conf(".include /etc/x.cnf\n[broken\n=\n]").includes == ("/etc/x.cnf",)
