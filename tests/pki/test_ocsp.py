"""OCSP responses for `ssl_stapling_file`."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from nginxtls.pki import Response, read_bundle, read_ocsp


@pytest.fixture
def response(certificates: Path) -> Callable[[str], Response]:
    def read(kind: str) -> Response:
        found = read_ocsp((certificates / f"ocsp-{kind}.der").read_bytes())
        assert isinstance(found, Response)
        return found

    return read


@pytest.mark.parametrize(
    ("kind", "status", "ours"),
    [("good", "good", True), ("revoked", "revoked", True), ("unknown", "unknown", True), ("other", "good", False)],
)
def test_what_it_says_and_of_which_certificate(
    kind: str, status: str, ours: bool, response: Callable[[str], Response], certificates: Path
) -> None:
    leaf, issuer = read_bundle((certificates / "with-ocsp.pem").read_bytes(), "").certificates
    (answer,) = response(kind).answers
    assert answer.status == status
    assert answer.is_for(leaf, issuer) is answer.is_for(leaf, None) is ours
    # Another CA of the same name, with another key, did not issue it.
    (_, imposter) = read_bundle((certificates / "broken-chain.pem").read_bytes(), "").certificates
    assert not answer.is_for(leaf, imposter)


def test_a_responder_that_has_no_answer(response: Callable[[str], Response]) -> None:
    assert response("error") == Response((), "try later")


def test_bytes_behind_it_do_not_matter(certificates: Path) -> None:
    good = (certificates / "ocsp-good.der").read_bytes()
    assert read_ocsp(good + b"more") == read_ocsp(good)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda good: b"", "empty"),
        (lambda good: b"-----BEGIN OCSP RESPONSE-----\n" + base64.encodebytes(good), "pem"),
        (base64.encodebytes, "not-ocsp"),
        (lambda good: good[:-1], "not-ocsp"),
        (lambda good: b"hello", "not-ocsp"),
    ],
)
def test_what_nginx_does_not_start_with(change: Callable[[bytes], bytes], kind: str, certificates: Path) -> None:
    found = read_ocsp(change((certificates / "ocsp-good.der").read_bytes()))
    assert not isinstance(found, Response)
    assert found.kind == kind
