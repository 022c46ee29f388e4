"""What ACME clients keep on the disk, told from a listing alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from nginxtls.pki import Certificate
from nginxtls.pki.lineage import (
    Lineage,
    client_of,
    find_lineages,
    fullchain_beside,
    home_of,
    live_path,
    newer,
    next_renewal,
    read_settings,
    renewal_due,
)

Issue = Callable[..., Certificate]


def test_certbot() -> None:
    top = "/etc/letsencrypt"
    kinds = ("cert", "chain", "fullchain", "privkey")
    live = [f"{top}/live/example.com/{kind}.pem" for kind in kinds]
    archive = [f"{top}/archive/example.com/{kind}{number}.pem" for kind in kinds for number in (1, 2, 10)]
    others = [f"{top}/live/README", f"{top}/renewal/example.com.conf", f"{top}/options-ssl-nginx.conf"]
    assert find_lineages([*archive, *live, *others]) == (
        Lineage(
            "certbot",
            "example.com",
            f"{top}/live/example.com/fullchain.pem",
            f"{top}/live/example.com/cert.pem",
            f"{top}/live/example.com/privkey.pem",
            # As numbers: the tenth is newer than the second.
            tuple(f"{top}/archive/example.com/fullchain{number}.pem" for number in (1, 2, 10)),
            f"{top}/renewal/example.com.conf",
        ),
    )


def test_certbot_of_which_only_a_part_was_kept() -> None:
    (found,) = find_lineages(["letsencrypt/renewal/example.com.conf"])
    assert (found.name, found.fullchain, found.key, found.versions) == ("example.com", None, None, ())
    (found,) = find_lineages(["live/example.com/privkey.pem"])
    assert (found.fullchain, found.key, found.settings) == (None, "live/example.com/privkey.pem", None)


def test_two_hosts_of_one_repository_are_not_mixed() -> None:
    found = find_lineages(f"{host}/letsencrypt/live/example.com/fullchain.pem" for host in ("a", "b"))
    assert [each.fullchain for each in found] == [
        "a/letsencrypt/live/example.com/fullchain.pem",
        "b/letsencrypt/live/example.com/fullchain.pem",
    ]


def test_acme_sh() -> None:
    top = "/root/.acme.sh"
    ends = ("cer", "key", "conf", "csr", "csr.conf")
    rsa = [f"{top}/example.com/{name}" for name in (*(f"example.com.{end}" for end in ends), "ca.cer", "fullchain.cer")]
    ecc = [path.replace("/example.com/", "/example.com_ecc/") for path in rsa]
    first, second = find_lineages([*rsa, *ecc, f"{top}/account.conf", f"{top}/acme.sh"])
    assert first == Lineage(
        "acme.sh",
        "example.com",
        f"{top}/example.com/fullchain.cer",
        f"{top}/example.com/example.com.cer",
        f"{top}/example.com/example.com.key",
        (f"{top}/example.com/fullchain.cer",),
        f"{top}/example.com/example.com.conf",
    )
    assert (second.name, second.fullchain) == ("example.com", f"{top}/example.com_ecc/fullchain.cer")
    assert second.key == f"{top}/example.com_ecc/example.com.key"


def test_lego() -> None:
    top = "/var/lib/lego/certificates"
    names = ("example.com", "_.example.org")
    files = [f"{top}/{name}.{end}" for name in names for end in ("crt", "issuer.crt", "json", "key")]
    found = find_lineages(files)
    assert [(each.tool, each.name, each.fullchain) for each in found] == [
        ("lego", "*.example.org", f"{top}/_.example.org.crt"),
        ("lego", "example.com", f"{top}/example.com.crt"),
    ]
    assert (found[1].key, found[1].settings) == (f"{top}/example.com.key", f"{top}/example.com.json")


def test_dehydrated() -> None:
    top = "/var/lib/dehydrated/certs/example.com"
    kinds = ("cert", "chain", "fullchain", "privkey")
    files = [f"{top}/{kind}{time}.pem" for kind in kinds for time in ("", "-1748000000", "-999999999")]
    assert find_lineages([*files, f"{top}/cert-1748000000.csr"]) == (
        Lineage(
            "dehydrated",
            "example.com",
            f"{top}/fullchain.pem",
            f"{top}/cert.pem",
            f"{top}/privkey.pem",
            (f"{top}/fullchain-999999999.pem", f"{top}/fullchain-1748000000.pem"),
        ),
    )


def test_other_folders_belong_to_no_tool() -> None:
    listing = [
        "nginx.conf",
        "ssl/fullchain.pem",
        "ssl/example.com.crt",
        "live/fullchain.pem",
        "archive/x/fullchain.pem",
    ]
    assert find_lineages(listing) == ()


@pytest.mark.parametrize(
    ("leaf", "fullchain"),
    [
        ("/etc/letsencrypt/live/example.com/cert.pem", "/etc/letsencrypt/live/example.com/fullchain.pem"),
        ("archive/example.com/cert3.pem", "archive/example.com/fullchain3.pem"),
        ("certs/example.com/cert-1748000000.pem", "certs/example.com/fullchain-1748000000.pem"),
        (".acme.sh/example.com_ecc/example.com.cer", ".acme.sh/example.com_ecc/fullchain.cer"),
        ("cert.pem", "fullchain.pem"),
        ("live/example.com/fullchain.pem", None),
        ("live/example.com/chain.pem", None),
        ("live/example.com/mycert.pem", None),
        (".acme.sh/example.com/fullchain.cer", None),
        (".acme.sh/example.com/ca.cer", None),
        ("fullchain.cer", None),
        ("certificates/example.com.crt", None),
        ("", None),
    ],
)
def test_the_full_chain_beside_a_leaf(leaf: str, fullchain: str | None) -> None:
    assert fullchain_beside(leaf) == fullchain


def test_a_numbered_file_of_certbot_and_its_live_name() -> None:
    archive, live = "/etc/letsencrypt/archive/a.test", "/etc/letsencrypt/live/a.test"
    assert live_path(f"{archive}/fullchain12.pem") == f"{live}/fullchain.pem"
    assert live_path("archive/a.test/privkey1.pem") == "live/a.test/privkey.pem"
    assert live_path(f"{live}/fullchain.pem") is None
    assert live_path(f"{archive}/fullchain.pem") is None


@pytest.mark.parametrize(
    ("path", "client", "home"),
    [
        ("/etc/letsencrypt/live/a.test/fullchain.pem", "certbot", "/etc/letsencrypt"),
        ("letsencrypt/archive/a.test/privkey3.pem", "certbot", "letsencrypt"),
        ("/root/.acme.sh/a.test_ecc/fullchain.cer", "acme.sh", "/root/.acme.sh"),
        ("/home/me/.lego/certificates/a.test.crt", "lego", "/home/me/.lego"),
        ("/var/lib/dehydrated/certs/a.test/fullchain.pem", "dehydrated", "/var/lib/dehydrated"),
    ],
)
def test_whose_file_it_is(path: str, client: str, home: str) -> None:
    found = home_of(path)
    assert found
    assert (found[0].name, found[1]) == (client, home)


@pytest.mark.parametrize("path", ["/etc/ssl/a.pem", "/etc/ssl/certs/a/fullchain.pem", "/srv/certificates/a.crt"])
def test_a_file_of_no_client(path: str) -> None:
    assert client_of(path) is None


def test_the_newest_renewal_for_all_names(issue: Issue) -> None:
    served = issue("example.com", "www.example.com", "192.0.2.1", since="2026-01-01", until="2026-03-31")
    renewals = [
        (since, issue("WWW.example.com", "example.com", "192.0.2.1", "new.example.com", since=since, until=until))
        for since, until in (("2026-02-25", "2026-05-26"), ("2026-04-25", "2026-07-24"), ("2025-11-01", "2026-01-29"))
    ]
    assert newer(served, renewals) == renewals[1]
    assert newer(served, reversed(renewals)) == renewals[1]


def test_no_renewal(issue: Issue) -> None:
    served = issue("example.com", "www.example.com", since="2026-01-01", until="2026-03-31")
    fewer_names = issue("example.com", since="2026-02-25", until="2026-05-26")
    older = issue("example.com", "www.example.com", since="2025-11-01", until="2026-01-29")
    ends_sooner = issue("example.com", "www.example.com", since="2026-01-05", until="2026-01-11")
    assert newer(served, [("a", served), ("b", fewer_names), ("c", older), ("d", ends_sooner)]) is None
    assert newer(served, []) is None


@pytest.mark.parametrize(
    ("settings", "due"),
    [
        ({}, "2026-03-02"),
        ({"renew_before_expiry": "10 days"}, "2026-03-22"),
        ({"renew_before_expiry": "10"}, "2026-03-22"),
        ({"renew_before_expiry": "2 weeks"}, "2026-03-18"),
        ({"renew_before_expiry": "a while"}, "2026-03-02"),
        ({"Le_NextRenewTime": "1771200000"}, "2026-02-16"),
    ],
)
def test_when_its_client_means_to_renew_it(settings: dict[str, str], due: str, issue: Issue) -> None:
    certificate = issue("example.com", since="2026-01-01", until="2026-03-31")
    planned = renewal_due(certificate, settings, timedelta(days=30))
    assert f"{planned + timedelta(seconds=1):%Y-%m-%d}" == due


def test_settings_of_certbot_and_acme_sh() -> None:
    certbot = (
        "# renew_before_expiry = 30 days\nversion = 2.9.0\n[renewalparams]\nauthenticator = nginx\nkey_type = ecdsa\n"
    )
    assert read_settings(certbot) == {"version": "2.9.0", "authenticator": "nginx", "key_type": "ecdsa"}
    acme_sh = "Le_Domain='example.com'\nLe_NextRenewTime='1767225600'\nLe_NextRenewTimeStr=\"2026-01-01T00:00:00Z\"\n"
    settings = read_settings(acme_sh)
    assert settings["Le_Domain"] == "example.com"
    assert next_renewal(settings) == datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e9", "²", "9" * 12, "17672256.5", " "])
def test_what_is_no_time_of_renewal(text: str) -> None:
    assert next_renewal({"Le_NextRenewTime": text}) is None
    assert next_renewal({}) is None
