"""Claims of the model that a client would notice, each by itself: sockets, names, inheritance, tickets, early data."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nginxtls.model import Configuration, handshake, refusals

Configure = Callable[..., Configuration]
EC = "ssl_certificate certificates/good.pem; ssl_certificate_key certificates/good.key;"


def names(configuration: Configuration, name: str | None) -> list[str]:
    """The names of the server that answers."""
    server = handshake(configuration, "127.0.0.1", 443, name).to_dict()["server"]
    return list(server["names"])


def test_default_server_answers_though_it_comes_second(configure: Configure) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl; server_name a.test; {EC} }}"
        f"server {{ listen 443 ssl default_server; server_name b.test; {EC} }}"
    )
    assert names(configuration, None) == ["b.test"]


def test_ssl_on_one_line_counts_for_the_whole_socket(configure: Configure) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl; server_name a.test; {EC} }} server {{ listen 443; server_name b.test; {EC} }}"
    )
    assert handshake(configuration, "127.0.0.1", 443, "b.test").tls


def test_the_first_server_has_a_wildcard_name(configure: Configure) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl; server_name d.test; {EC} }}"
        f"server {{ listen 443 ssl; server_name *.a.test first.test; {EC} }}"
        f"server {{ listen 443 ssl; server_name *.a.test second.test; {EC} }}"
    )
    assert names(configuration, "www.a.test") == ["*.a.test", "first.test"]


def test_the_first_server_has_the_wildcard_that_a_later_name_with_a_dot_includes(configure: Configure) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl; server_name d.test; {EC} }}"
        f"server {{ listen 443 ssl; server_name *.a.test; {EC} }}"
        f"server {{ listen 443 ssl; server_name .a.test; {EC} }}"
    )
    assert names(configuration, "www.a.test") == ["*.a.test"]


def test_a_server_inherits_from_http(configure: Configure) -> None:
    configuration = configure(f"ssl_protocols TLSv1.3; server {{ listen 443 ssl; {EC} }}")
    assert handshake(configuration, "127.0.0.1", 443).to_dict()["protocols"] == ["TLSv1.3"]


def test_add_header_inherit_off_inherits_nothing(configure: Configure) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl; {EC} add_header Strict-Transport-Security max-age=1; add_header_inherit off;"
        "location / { add_header_inherit off; } }"
    )
    assert handshake(configuration, "127.0.0.1", 443).to_dict()["hsts"] is None


def test_no_tickets_from_security_level_3_on(configure: Configure) -> None:
    configuration = configure(f"server {{ listen 443 ssl; {EC} ssl_ciphers DEFAULT:@SECLEVEL=3; }}")
    assert handshake(configuration, "127.0.0.1", 443).to_dict()["session_tickets"] is False


@pytest.mark.parametrize(("nginx", "offered"), [("1.15.2", False), ("1.15.3", True)])
def test_early_data_since_1_15_3(configure: Configure, nginx: str, offered: bool) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl; {EC} ssl_protocols TLSv1.3; ssl_early_data on; }}", nginx=nginx
    )
    assert handshake(configuration, "127.0.0.1", 443).to_dict()["early_data"] is offered


def test_a_key_of_another_certificate_stops_nginx(configure: Configure) -> None:
    configuration = configure(
        "server { listen 443 ssl; ssl_certificate certificates/good.pem;ssl_certificate_key certificates/other.key; }"
    )
    assert [r.message for r in refusals(configuration) if "key values mismatch" in r.message]


def test_a_protocol_that_is_named_twice_is_a_warning(configure: Configure) -> None:
    configuration = configure(f"server {{ listen 443 ssl; {EC} ssl_protocols TLSv1.2 TLSv1.2; }}")
    assert [(r.level, r.message) for r in refusals(configuration)] == [("warn", 'duplicate value "TLSv1.2"')]


def test_options_of_a_socket_twice_stop_nginx(configure: Configure) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl reuseport; {EC} }} server {{ listen 443 ssl reuseport; server_name b.test; {EC} }}"
    )
    assert any("duplicate listen options" in r.message for r in refusals(configuration))


def test_a_key_that_a_security_level_refuses_stops_nginx(configure: Configure) -> None:
    configuration = configure(
        "server { listen 443 ssl; ssl_certificate certificates/good-rsa.pem;"
        "ssl_certificate_key certificates/good-rsa.key; ssl_ciphers DEFAULT:@SECLEVEL=4; }"
    )
    assert any("ee key too small" in r.message for r in refusals(configuration))
