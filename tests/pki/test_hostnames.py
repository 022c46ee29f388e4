"""Which names a certificate is for: what clients after RFC 9525 accept, and what the user is told if they don't."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxtls.pki import Bundle, Certificate, match_hostname
from nginxtls.pki.hostnames import ascii_host, covers

Issue = Callable[..., Certificate]


@pytest.mark.parametrize(
    ("san", "name"),
    [
        ("example.com", "example.com"),
        ("Example.COM", "example.com"),
        ("example.com", "EXAMPLE.com"),
        ("example.com", "example.com."),
        ("*.example.com", "www.example.com"),
        ("*.example.com", "WWW.EXAMPLE.COM."),
        ("*.example.com", "_dmarc.example.com"),
        ("*.example.com", "xn--bcher-kva.example.com"),
        ("*.example.com", "bücher.example.com"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("xn--bcher-kva.example", "BÜCHER.example"),
        ("XN--BCHER-KVA.example", "bücher.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "bücher。example"),
        ("localhost", "localhost"),
        ("192.0.2.10", "192.0.2.10"),
        ("2001:db8::10", "2001:DB8:0:0::10"),
        ("2001:db8::10", "[2001:db8::10]"),
    ],
)
def test_accepted(san: str, name: str, issue: Issue) -> None:
    match = match_hostname(name, issue(san))
    assert match.matches, match.reason
    assert match.by
    assert match.by.value == san
    assert match.nearest is None


NOT_COVERED = "the certificate does not cover "


@pytest.mark.parametrize(
    ("san", "name", "why"),
    [
        ("*.example.com", "example.com", "*.example.com does not match example.com: a wildcard matches exactly one"),
        ("*.example.com", "a.b.example.com", "*.example.com does not match a.b.example.com: a wildcard matches"),
        ("*.com", "example.com", "*.com matches nothing: clients reject a wildcard directly below a top-level domain"),
        ("*", "localhost", "* matches nothing: a wildcard must be the whole first label"),
        ("w*.example.com", "www.example.com", "w*.example.com matches nothing: a wildcard must be the whole first"),
        ("*w.example.com", "www.example.com", "*w.example.com matches nothing"),
        ("www.*.com", "www.example.com", "www.*.com matches nothing"),
        ("*.*.com", "www.example.com", NOT_COVERED + "www.example.com; the closest name is *.*.com"),
        ("example.com.", "example.com", "example.com. matches nothing: a name in a certificate must not end"),
        ("*.example.com.", "www.example.com", "*.example.com. matches nothing: a name in a certificate must not"),
        ("example.com", "www.example.com", NOT_COVERED + "www.example.com; the closest name is example.com"),
        ("example.com", "notexample.com", NOT_COVERED + "notexample.com"),
        ("*.example.com", "www.notexample.com", NOT_COVERED + "www.notexample.com"),
        ("192.0.2.10", "192.0.2.11", NOT_COVERED + "the address 192.0.2.11; the closest one is 192.0.2.10"),
        ("2001:db8::10", "2001:db8::11", NOT_COVERED + "the address 2001:db8::11; the closest one is 2001:db8::10"),
        ("example.com", "192.0.2.10", NOT_COVERED + "the address 192.0.2.10; it lists no addresses, only example.com"),
        ("192.0.2.10", "example.com", "the certificate lists no host names and does not cover example.com"),
        ("example.com", "*.example.com", "*.example.com is not a host name"),
        ("example.com", "a b", "a b is not a host name"),
        ("example.com", "exa\x1bmple.com", "exa\\x1bmple.com is not a host name"),
        ("example.com", "", " is not a host name"),
        ("example.com", "example..com", "example..com is not a host name"),
        ("example.com", "example.com..", "example.com.. is not a host name"),
    ],
)  # fmt: skip
def test_refused_with_the_reason(san: str, name: str, why: str, issue: Issue) -> None:
    match = match_hostname(name, issue(san))
    assert not match.matches
    assert match.by is None
    assert match.reason.startswith(why), match.reason
    assert match.reason.isprintable()


def test_an_address_as_a_dns_name_is_reported(issue: Issue) -> None:
    from cryptography import x509

    names = x509.SubjectAlternativeName([x509.DNSName("192.0.2.10")])
    match = match_hostname("192.0.2.10", issue(extensions=(names,)))
    assert not match.matches
    assert match.reason == "the certificate lists 192.0.2.10 as a DNS name instead of an IP address"


def test_the_common_name_does_not_count(issue: Issue) -> None:
    match = match_hostname("example.com", issue(cn="example.com"))
    assert not match.matches
    assert match.reason == (
        "the certificate has no subject alternative names; clients ignore the common name (example.com)"
    )
    assert not match_hostname("example.com", issue("other.example", cn="example.com")).matches


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("v1.shop.api.example.com", "*.api.example.com"),
        ("shop.example.com", "example.com"),
        ("api.example.com", "*.api.example.com"),
        ("www.example.org", "www.other.org"),
    ],
)
def test_the_nearest_name_is_told(name: str, nearest: str, issue: Issue) -> None:
    match = match_hostname(name, issue("192.0.2.1", "www.other.org", "example.com", "*.api.example.com"))
    assert not match.matches
    assert match.nearest
    assert match.nearest.value == nearest
    assert nearest in match.reason


def test_of_several_names_the_one_that_fits_is_told(issue: Issue) -> None:
    match = match_hostname("www.example.com", issue("example.com", "*.example.com", "www.example.com"))
    assert match.reason == "*.example.com covers www.example.com"


def test_names_of_real_files(bundle: Callable[[str], Bundle]) -> None:
    idna, partial, ip = (bundle(each).certificates[0] for each in ("idna", "partial-wildcard", "ip"))
    assert match_hostname("bücher.example", idna).matches
    assert match_hostname("a.münchen.example", idna).matches
    assert not match_hostname("münchen.example", idna).matches
    assert [match_hostname(each, partial).matches for each in ("example.com", "www.example.com")] == [True, False]
    assert [match_hostname(each, ip).matches for each in ("192.0.2.10", "2001:db8::10", "192.0.2.1")] == [1, 1, 0]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        # As Firefox, Chrome, Safari and curl with libidn2 ask for it (UTS #46, not transitional).
        ("straße.example", "xn--strae-oqa.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("βόλος.gr", "xn--nxasmm1c.gr"),
        ("ΒΌΛΟΣ.gr", "xn--nxasmq6b.gr"),
        ("ｅｘａｍｐｌｅ．com", "example.com"),
        ("bücher.example。", "xn--bcher-kva.example"),
        ("ü" * 60 + ".example", None),
        ("a" * 64 + ".example", None),
        (".".join(["a" * 63] * 4), None),
        ("ü..example", None),
        ("。", None),
    ],
)
def test_the_name_that_a_browser_asks_for(name: str, sent: str | None) -> None:
    assert ascii_host(name) == sent


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOST = st.lists(LABEL, min_size=2, max_size=5).map(".".join)


@given(LABEL, HOST)
def test_a_wildcard_is_one_label_and_no_more(label: str, parent: str) -> None:
    assert covers(f"*.{parent}", f"{label}.{parent}")
    assert not covers(f"*.{parent}", parent)
    assert not covers(f"*.{parent}", f"{label}.{label}.{parent}")
    assert not covers(f"*.{parent}", f"{label}{parent}")


@given(HOST, HOST, st.data())
def test_case_and_the_dot_at_the_end_change_nothing(name: str, other: str, data: st.DataObject) -> None:
    changed = "".join(data.draw(st.sampled_from((each, each.upper()))) for each in name)
    assert ascii_host(changed + ".") == name
    assert covers(changed, name)
    assert covers(other, changed) == (other == name)


@given(st.text(max_size=30))
def test_any_text_has_an_answer(text: str) -> None:
    host = ascii_host(text)
    if host is not None:
        assert host == ascii_host(host)
        assert covers(host, host)
