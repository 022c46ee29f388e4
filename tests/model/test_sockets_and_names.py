"""Sockets, default servers and names: who answers, by the cases measured on real nginx."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nginxtls.model import Configuration, handshake, refusals
from nginxtls.model.names import read_name, valid_host

Configure = Callable[..., Configuration]
EC = "ssl_certificate certificates/good.pem; ssl_certificate_key certificates/good.key;"


def answering(configuration: Configuration, name: str | None, address: str = "127.0.0.1", port: int = 443) -> str:
    server = handshake(configuration, address, port, name).server
    root = server.first("root") if server is not None else None
    return root.args[0] if root is not None else "nobody"


def servers(*names: str) -> str:
    """Servers s0, s1 … on one socket; s0 is the default server."""
    return "".join(
        f"server {{ listen 443 ssl{' default_server' if not i else ''}; server_name {n}; root s{i}; {EC} }}"
        for i, n in enumerate(names)
    )


@pytest.mark.parametrize(
    ("requested", "server"),
    [
        ("x.example.org", "s1"), ("y.example.org", "s2"), ("example.org", "s5"), ("a.example.org", "s2"),
        ("b.a.example.org", "s7"), ("c.b.a.example.org", "s7"), ("www.example.org", "s2"), ("www.foo.com", "s3"),
        ("www.re.org", "s3"), ("q.re.org", "s4"), ("q.r.re.org", "s5"), ("dot.com", "s6"), ("sub.dot.com", "s6"),
        ("UPPER.TEST", "s9"), ("x.example.org.", "s1"), ("127.0.0.1", "s10"), ("_", "s11"), ("nothing.net", "s0"),
        ("a..b", "s0"), ("x/y", "s0"), (".example.org", "s0"), ("www.", "s0"), (None, "s0"),
    ],
)  # fmt: skip
def test_the_server_that_a_name_leads_to(configure: Configure, requested: str | None, server: str) -> None:
    configuration = configure(
        servers("default.test", "x.example.org", "*.example.org", "www.*", "~^(?<u>\\w+)\\.re\\.org$", "~\\.org$",
                ".dot.com", "*.a.example.org", '""', "UPPER.Test", "127.0.0.1", "_")
    )  # fmt: skip
    assert answering(configuration, requested) == server


def test_the_most_specific_address_has_names_of_its_own(configure: Configure) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl; server_name w.test a.test; root wild; {EC} }}"
        f"server {{ listen 127.0.0.1:443 ssl; server_name a.test; root first; {EC} }}"
        f"server {{ listen 127.0.0.1:443 ssl; server_name b.test; root second; {EC} }}"
    )
    assert answering(configuration, "w.test") == "first"
    assert answering(configuration, "b.test") == "second"
    assert answering(configuration, "w.test", "127.0.0.2") == "wild"
    assert answering(configuration, "a.test", "::1") == "nobody"


def test_ipv6_takes_ipv4_only_with_ipv6only_off(configure: Configure) -> None:
    only6 = configure(f"server {{ listen [::]:443 ssl; root six; {EC} }}")
    assert answering(only6, None, "::1") == "six"
    assert answering(only6, None) == "nobody"
    both = configure(f"server {{ listen [::]:443 ssl ipv6only=off; root six; {EC} }}")
    assert answering(both, None) == "six"


@pytest.mark.parametrize("text", ["443 ssl", "*:443 ssl", "0.0.0.0:443 ssl"])
def test_spellings_of_one_socket(configure: Configure, text: str) -> None:
    configuration = configure(f"server {{ listen 443 ssl; {EC} }} server {{ listen {text}; server_name b; {EC} }}")
    assert [socket.label for socket in configuration.sockets] == ["*:443"]


def test_flags_of_one_socket_are_joined(configure: Configure) -> None:
    configuration = configure(
        f"server {{ listen 443; server_name a.test; root a; {EC} }}"
        f"server {{ listen 443 ssl; server_name b.test; root b; {EC} }}"
    )
    assert handshake(configuration, "127.0.0.1", 443, "a.test").tls


@pytest.mark.parametrize(("first", "second", "tls"), [("ssl on;", "", True), ("", "ssl on;", False)])
def test_the_old_ssl_on_of_the_default_server_holds_for_its_socket(
    configure: Configure, first: str, second: str, tls: bool
) -> None:
    configuration = configure(
        f"{EC} server {{ listen 443; server_name a.test; {first} }}"
        f"server {{ listen 443; server_name b.test; {second} }}",
        nginx="1.22.1",
        openssl="3.0.20",
    )
    assert handshake(configuration, "127.0.0.1", 443, "a.test").tls is tls
    assert handshake(configuration, "127.0.0.1", 443, "b.test").tls is tls


def test_stream_has_no_names_before_1_25_5(configure: Configure) -> None:
    text = f"events {{}} stream {{ server {{ listen 443 ssl; server_name b.test; return x; {EC} }} }}"
    old = configure(text, nginx="1.22.1")
    assert [r.message for r in refusals(old) if r.level == "emerg"] == ['"server_name" directive is not allowed here']
    assert not [r for r in refusals(configure(text)) if r.level == "emerg"]


@pytest.mark.parametrize(
    ("text", "form"),
    [("a.b", "exact"), (".a.b", "suffix"), ("*.a", "leading"), ("a.*", "trailing"), ("~x", "regex"), ("", "empty"),
     ("a.*.b", "invalid"), ("*a.b", "invalid"), ("$hostname", "unknown")],
)  # fmt: skip
def test_forms_of_names(text: str, form: str) -> None:
    assert read_name(text).form == form


@pytest.mark.parametrize(("host", "name"), [("A.b", "a.b"), ("a.b:443", "a.b"), ("a.b.", "a.b"), ("[::1]:1", "[::1]")])
def test_hosts_as_nginx_looks_them_up(host: str, name: str) -> None:
    assert valid_host(host) == name
