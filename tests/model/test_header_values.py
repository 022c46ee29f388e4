"""Strict-Transport-Security and Alt-Svc as browsers read them."""

from __future__ import annotations

import pytest

from nginxtls.model.header_values import alt_svc, hsts


@pytest.mark.parametrize(
    ("value", "protocols"),
    [
        ('h3=":443"', ["h3"]),
        ('h3=":443"; ma=86400, h2="alt.example.com:8443"; ma=60; persist=1', ["h3", "h2"]),
        ('h3-29=":443"; h3=":443"', ["h3-29"]),
        ('quic=":443"; v="46,43",h3=":443"', ["quic", "h3"]),
        ('h3=":443"; ma=86400;', ["h3"]),
        ("clear", []),
    ],
)
def test_alternatives_are_between_commas(value: str, protocols: list[str]) -> None:
    found = alt_svc(value)
    assert found is not None
    assert [each.protocol for each in found] == protocols


@pytest.mark.parametrize(
    "value",
    ["", "h3", "h3=:443", 'h3=":443", ma=86400', 'h3="example.com"', 'h3=":0"', 'h3=":70000"', 'h3=":443" ma=1'],
)
def test_a_malformed_alt_svc_is_ignored_as_a_whole(value: str) -> None:
    assert alt_svc(value) is None


def test_host_and_port_of_an_alternative() -> None:
    assert alt_svc('h3="[2001:db8::1]:443"; ma="60"') == (("h3", "[2001:db8::1]", 443, {"ma": "60"}),)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("max-age=1; includeSubDomains; preload", {"max-age", "includesubdomains", "preload"}),
        ('MAX-AGE="31";;', {"max-age"}),
        ('max-age=1; x="a;b"', {"max-age", "x"}),
    ],
)
def test_directives_of_hsts(value: str, names: set[str]) -> None:
    assert set(hsts(value) or {}) == names


@pytest.mark.parametrize("value", ["", "includeSubDomains", "max-age=1, preload", "max-age=a", "max-age=1; max-age=2"])
def test_a_malformed_hsts_is_ignored(value: str) -> None:
    assert hsts(value) is None
