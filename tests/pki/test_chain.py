"""Each bundle of `fixtures/certificates` as a client that trusts its root sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from nginxtls.pki import Bundle, TrustStore, analyse_chain

EXPECTED = {
    "good": ("trusted", ()),
    "good-rsa": ("trusted", ()),
    "deep": ("trusted", ()),
    "cross-signed": ("trusted", ()),
    "cross-signed-intermediate": ("trusted", ()),
    "dead-end": ("trusted", ("dead-end-path",)),
    "leaf-only": ("untrusted", ("missing-intermediate",)),
    "missing-second": ("untrusted", ("missing-intermediate",)),
    "public-leaf-only": ("untrusted", ("missing-intermediate",)),
    "wrong-order": ("untrusted", ("wrong-order",)),
    "shuffled": ("trusted", ("wrong-order",)),
    "with-root": ("trusted", ("root-sent",)),
    "duplicate": ("trusted", ("duplicate-certificate",)),
    "unrelated": ("trusted", ("unrelated-certificate",)),
    "oversized-chain": ("untrusted", ("unrelated-certificate", "oversized-chain")),
    "expired": ("untrusted", ("expired-certificate",)),
    "not-yet-valid": ("untrusted", ("certificate-not-yet-valid",)),
    "no-dates": ("untrusted", ("malformed-certificate",)),
    "expired-intermediate": ("untrusted", ("expired-intermediate",)),
    "no-san": ("trusted", ("no-subject-alt-name",)),
    "rsa1024": ("untrusted", ("weak-key",)),
    "self-signed": ("untrusted", ("self-signed-certificate",)),
    "broken-chain": ("untrusted", ("broken-chain", "unrelated-certificate")),
    "intermediate-not-a-ca": ("untrusted", ("intermediate-not-a-ca",)),
    "path-length": ("untrusted", ("path-length-exceeded",)),
    "name-constraint": ("untrusted", ("name-constraint-violated",)),
    "client-auth-only": ("untrusted", ("no-server-auth",)),
    "unknown-critical": ("untrusted", ("unknown-critical-extension",)),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_verdict_and_reasons(name: str, bundle: Callable[[str], Bundle], root: TrustStore, at: datetime) -> None:
    chain = analyse_chain(bundle(name), root, at)
    assert (chain.verdict, tuple(each.kind for each in chain.reasons)) == EXPECTED[name]


def test_many_of_one_fault_are_told_at_once(bundle: Callable[[str], Bundle], root: TrustStore, at: datetime) -> None:
    good, mozilla = bundle("good").certificates, TrustStore.mozilla().certificates
    chain = analyse_chain([*good, *mozilla[:100], *mozilla[:100]], root, at)
    kinds = [each.kind for each in chain.reasons]
    assert kinds == ["unrelated-certificate", "duplicate-certificate", "oversized-chain"]
    reason = chain.reason("unrelated-certificate")
    assert reason
    assert "and 98 more certificates are not part of the chain" in reason.message
    assert reason.certificate == 2


def test_a_link_of_the_chain_far_behind_is_found(
    bundle: Callable[[str], Bundle], root: TrustStore, at: datetime
) -> None:
    leaf, issuer = bundle("good").certificates
    chain = analyse_chain([leaf, *TrustStore.mozilla().certificates * 3, issuer], root, at)
    assert chain.path[:2] == (leaf, issuer)
    assert [each.kind for each in chain.reasons if each.fatal] == ["oversized-chain"]


def test_a_private_root_that_was_not_given(bundle: Callable[[str], Bundle], at: datetime) -> None:
    chain = analyse_chain(bundle("good"), TrustStore.mozilla(), at)
    assert [each.kind for each in chain.reasons] == ["untrusted-root"]
    assert chain.missing_issuer == "Example Root R1"


def test_a_missing_issuer_is_named_with_its_place(
    bundle: Callable[[str], Bundle], root: TrustStore, at: datetime
) -> None:
    chain = analyse_chain(bundle("leaf-only"), root, at)
    assert chain.missing_issuer == "Example Intermediate E1"
    assert chain.aia == ("http://ca.example.net/e1.der",)


def test_a_wrong_name_is_refused(bundle: Callable[[str], Bundle], root: TrustStore, at: datetime) -> None:
    chain = analyse_chain(bundle("good"), root, at, "v1.shop.api.example.com")
    assert chain.verdict == "untrusted"
    reason = chain.reason("name-mismatch")
    assert reason
    assert reason.message.startswith("*.api.example.com does not match v1.shop.api.example.com")
