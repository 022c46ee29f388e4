"""What a server and a client agree on: the decisions that OpenSSL takes, one by one, and laws for every client."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from nginxtls.tls import CipherString, OpenSSL, ServerKey, evaluate_ciphersuites, evaluate_groups
from nginxtls.tls.agreement import Hello, Order, ServerOffer, agree
from nginxtls.tls.clients import clients, matching

RSA, EC = ServerKey("RSA", 2048), ServerKey("EC", 256, "prime256v1")
CLIENTS = Order(False)
ALL = frozenset({"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"})


def server(
    openssl: str = "3.6.0", *, keys: tuple[ServerKey, ...] = (RSA,), versions: frozenset[str] = ALL,
    ciphers: str = "ALL:@SECLEVEL=0", groups: str | None = None, order: Order = CLIENTS, again: Order | None = None,
    dhparam_bits: int | None = None,
) -> ServerOffer:  # fmt: skip
    built = OpenSSL.parse(openssl)
    modern = evaluate_ciphersuites(None, built).suites
    return ServerOffer(
        versions, CipherString(ciphers).evaluate(built).suites, modern, order, order, (modern, again or order),
        evaluate_groups(groups, built), keys, None, 0, 0, dhparam_bits, built,
    )  # fmt: skip


def named(name: str) -> Hello:
    (client,) = [client for client in clients() if client.name.startswith(name)]
    return client.hello


def test_the_version_is_chosen_before_it_is_known_whether_a_handshake_succeeds() -> None:
    """A server without a group of TLS 1.3 loses the clients that offer TLS 1.3, and keeps the others."""
    offer = server(
        groups="X25519MLKEM768", versions=frozenset({"TLSv1.2", "TLSv1.3"}), ciphers="AES128-SHA:@SECLEVEL=0"
    )
    assert agree(offer, named("Node 14")).kind == "group"
    assert agree(offer, named("Node 8")).protocol == "TLSv1.2"


def test_an_rsa_suite_fails_where_only_an_ec_certificate_is_sent() -> None:
    found = agree(server(keys=(EC,), versions=frozenset({"TLSv1.2"})), named("IE 8 Win 7"))
    assert found.kind == "protocol"
    offer = server(
        keys=(EC,), versions=frozenset({"TLSv1.2"}), ciphers="ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA"
    )
    assert agree(offer, Hello(("TLSv1.2",), (0xC02F,), (23,), (), (0x0401,), None, ())).kind == "certificate"


def test_the_curve_of_the_certificate_has_to_be_one_of_the_client() -> None:
    offer = server(keys=(ServerKey("EC", 521, "secp521r1"),), versions=frozenset({"TLSv1.2"}))
    found = agree(offer, named("Chrome 65"))
    assert (found.kind, "curve" in found.problem) == ("certificate", True)
    assert not agree(offer, named("Node 10")).problem


def test_from_35_on_a_better_tuple_is_worth_a_second_hello() -> None:
    """OpenSSL 3.5 prefers a group of its first tuple without a key share; before, any share will do."""
    client = Hello(("TLSv1.3",), (0x1301,), (29, 4588), (29,), (0x0804,), None, ())
    newer, older = agree(server("3.5.0"), client), agree(server("3.0.0", groups="X448:X25519"), client)
    assert (newer.group and newer.group.name, newer.retry) == ("X25519MLKEM768", True)
    assert (older.group and older.group.name, older.retry) == ("X25519", False)


def test_two_orders_of_suites_break_a_second_hello() -> None:
    """nginx before 1.29.2: the default server chooses for the HelloRetryRequest, then the selected one."""
    client = Hello(("TLSv1.3",), (0x1301, 0x1302), (29, 25), (29,), (0x0804,), None, ())
    assert agree(server("3.5.0", groups="secp521r1", again=Order(True)), client).kind == "retry"
    assert not agree(server("3.5.0", groups="secp521r1"), client).problem


def test_of_two_keys_the_order_of_signature_algorithms_decides_in_tls13() -> None:
    offer = server(keys=(RSA, EC))
    rsa_first = Hello(("TLSv1.3",), (0x1301,), (29,), (29,), (0x0804, 0x0403), None, ())
    assert agree(offer, rsa_first).key == RSA
    assert agree(offer._replace(order=Order(True)), rsa_first).key == EC


def test_chacha_first_for_clients_that_have_it_first() -> None:
    offer = server(versions=frozenset({"TLSv1.2"}), order=Order(True, True), ciphers="ECDHE+AESGCM:ECDHE+CHACHA20")
    phone = Hello(("TLSv1.2",), (0xCCA8, 0xC02F), (29,), (), (0x0804,), None, ())
    desktop = phone._replace(suites=(0xC02F, 0xCCA8))
    assert [agree(offer, hello).suite and agree(offer, hello).suite.encryption for hello in (phone, desktop)] == [  # type: ignore[union-attr]
        "CHACHA20/POLY1305", "AESGCM",
    ]  # fmt: skip


@settings(deadline=None)
@given(
    st.sampled_from(clients()), st.sampled_from(("1.1.1", "3.0.0", "3.5.0", "4.0.0")), st.booleans(),
    st.frozensets(st.sampled_from(sorted(ALL)), min_size=1), st.sampled_from(((RSA,), (EC,), (RSA, EC))),
)  # fmt: skip
def test_what_is_agreed_is_what_both_offer(client, openssl, prefers, versions, keys) -> None:  # type: ignore[no-untyped-def]
    offer = server(openssl, keys=keys, versions=versions, order=Order(prefers))
    found = agree(offer, client.hello)
    if found.problem:
        assert found.suite is None
        return
    assert found.protocol in versions & set(client.hello.protocols)
    assert found.suite is not None
    assert found.suite.number in client.hello.suites
    assert found.key in keys
    if found.group is not None:
        assert found.group.number in (client.hello.groups or ())
        assert found.group in offer.groups.groups
        assert found.retry == (found.protocol == "TLSv1.3" and found.group.number not in client.hello.shares)


def test_every_client_connects_to_a_server_that_offers_everything() -> None:
    """But for those that know no version of this OpenSSL, or only suites that none has."""
    offer = server("1.0.2", keys=(RSA, EC), ciphers="ALL")
    left = {
        c.name for c in clients() if c.hello.protocols[-1] not in ("SSLv3", "TLSv1.3") and agree(offer, c.hello).problem
    }
    assert left <= {"Apple ATS 9 iOS 9"}


def test_the_rows_are_sound() -> None:
    found = clients()
    assert len(found) == len({client.name for client in found}) > 100
    assert sum(client.recorded is not None for client in found) > 40
    for client in found:
        assert client.hello.protocols, client.name
        assert client.hello.suites, client.name
        assert set(client.hello.shares) <= set(client.hello.groups or ()), client.name
        assert "TLSv1.3" not in client.hello.protocols or client.hello.shares, client.name
        assert client.released, client.name


def test_words_select_groups_families_and_names() -> None:
    assert {client.family for client in matching(["node"])} == {"Node"}
    assert {client.kind for client in matching(["browsers"], "2025")} == {"browser"}
    assert all(client.released >= "2014-06" for client in matching([], "2014-06"))
    assert [client.name for client in matching(["Java 7u25"])] == ["Java 7u25"]
