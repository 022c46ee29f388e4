"""Cipher strings: what is told of them beside the suites, which real OpenSSLs judge in tests/conformance."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nginxtls.tls import CipherString, OpenSSL, evaluate_ciphersuites, evaluate_groups, suite

ALL = [
    OpenSSL.parse(v, d)
    for v in ("1.0.2u", "1.1.1w", "3.0.20", "3.2.1", "3.5.9", "3.6.5")
    for d in ("debian", "upstream")
]
NEW = OpenSSL.assumed()
BOOKWORM = OpenSSL.parse("3.0.20", "debian")


def names(text: str, openssl: OpenSSL = NEW) -> list[str]:
    return [s.name for s in CipherString(text).evaluate(openssl).suites]


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.decode("latin-1")), st.sampled_from(ALL))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_without_an_exception(text: str, openssl: OpenSSL) -> None:
    evaluation = CipherString(text).evaluate(openssl)
    assert bool(evaluation.suites) == (evaluation.error is None)
    for words in (evaluation.unknown, evaluation.words):
        assert all(text[word.start : word.end] == word.word for word in words)
    assert set(evaluation.usable(2)) <= set(evaluation.suites)
    evaluate_groups(text, openssl)
    evaluate_ciphersuites(text, openssl)


@given(
    st.lists(
        st.sampled_from("HIGH ALL AES kRSA !aNULL -SHA1 +AESGCM @STRENGTH eNULL NOSUCH ECDHE+AES : + ! -".split()),
        max_size=9,
    )
)
@settings(max_examples=200, deadline=None)
def test_each_suite_is_in_the_result_because_of_one_word(parts: list[str]) -> None:
    evaluation = CipherString(":".join(parts)).evaluate(NEW)
    if evaluation.error is None:
        brought = [s for word in evaluation.words if not word.operator for s in word.suites]
        assert sorted(s.number for s in brought) == sorted(s.number for s in evaluation.suites)


def test_the_word_that_brings_a_weak_suite_in_is_known() -> None:
    evaluation = CipherString("ECDHE+AESGCM:RSA+AES:!SHA1").evaluate(BOOKWORM)
    first, second, third = evaluation.words
    assert {s.key_exchange for s in first.suites} == {"ECDHE"}
    assert "AES128-GCM-SHA256" in {s.name for s in second.suites}
    assert "AES128-SHA" not in {s.name for s in second.suites}
    assert {s.name for s in third.suites} == {"AES128-SHA", "AES256-SHA"}
    assert (second.start, second.end, second.operator) == (13, 20, "")


@pytest.mark.parametrize(
    ("text", "version", "word", "reason", "suggestion"),
    [
        ("HIGH:!aNUL", "3.0.20", "aNUL", "misspelt", "aNULL"),
        ("high:AES", "3.0.20", "high", "misspelt", "HIGH"),
        ("HIGH:RC4-SHA", "3.0.20", "RC4-SHA", "removed", None),
        ("HIGH:!EXPORT", "3.0.20", "EXPORT", "removed", None),
        ("HIGH:TLS_AES_128_GCM_SHA256", "3.0.20", "TLS_AES_128_GCM_SHA256", "tls13", None),
        ("HIGH:TLS_RSA_WITH_AES_128_CBC_SHA", "3.0.20", "TLS_RSA_WITH_AES_128_CBC_SHA", "iana", "AES128-SHA"),
        ("HIGH:DEFAULT", "3.6.5", "DEFAULT", "position", None),
        ("HIGH:PROFILE=SYSTEM", "3.0.20", "PROFILE=SYSTEM", "profile", None),
        ("HIGH:SHA512", "3.0.20", "SHA512", "misspelt", None),
        ("HIGH:DHE-RSA-AES128-SHA128", "3.0.20", "DHE-RSA-AES128-SHA128", "misspelt", None),
        (
            "HIGH:ECDHE-RSA-AES128-GCM-SHA265",
            "3.6.5",
            "ECDHE-RSA-AES128-GCM-SHA265",
            "misspelt",
            "ECDHE-RSA-AES128-GCM-SHA256",
        ),
    ],
)
def test_unknown_words_are_explained(text: str, version: str, word: str, reason: str, suggestion: str | None) -> None:
    (unknown,) = CipherString(text).evaluate(OpenSSL.parse(version)).unknown
    assert (unknown.word, unknown.reason, unknown.suggestion) == (word, reason, suggestion)
    assert text[unknown.start : unknown.end] == word


def test_iana_names_are_words_from_3_2_on() -> None:
    assert names("TLS_RSA_WITH_AES_128_CBC_SHA", OpenSSL.parse("3.2.0")) == ["AES128-SHA"]
    assert CipherString("TLS_RSA_WITH_AES_128_CBC_SHA").evaluate(BOOKWORM).error == "no cipher match"


def test_security_level_of_the_string_and_of_the_build() -> None:
    assert CipherString("ALL:@SECLEVEL=1").evaluate(NEW).security_level == 1
    assert CipherString("ALL").evaluate(NEW).security_level is None
    assert OpenSSL.parse("3.0.13", "upstream").default_security_level == 1
    assert OpenSSL.parse("3.2.0", "upstream").default_security_level == 2
    assert OpenSSL.parse("1.1.1w", "debian").default_security_level == 2
    assert OpenSSL.parse("1.1.1w", "debian").built_in_security_level == 1


def test_short_tags_are_weak_from_3_2_on() -> None:
    assert "ECDHE-ECDSA-AES128-CCM8" in names("HIGH", BOOKWORM)
    assert "ECDHE-ECDSA-AES128-CCM8" not in names("HIGH", OpenSSL.parse("3.2.0"))


def test_a_refused_string_says_where_reading_ends() -> None:
    evaluation = CipherString("HIGH:*:!aNULL").evaluate(NEW)
    assert (evaluation.error, evaluation.error_at, evaluation.suites) == ("invalid command", 5, ())


def test_suites_by_both_names() -> None:
    found = suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
    assert found
    assert found is suite("ECDHE-RSA-AES128-GCM-SHA256")
    assert (found.number, found.aead, found.forward_secrecy, found.protocols) == (0xC02F, True, True, ("TLSv1.2",))
    assert suite("nonsense") is None


@pytest.mark.parametrize(
    ("text", "generation"),
    [("1.0.2k-fips", "1.0.2"), ("1.1.0l", "1.1.1"), ("OpenSSL 3.0.20 7 Apr 2026", "3.0"), ("3.1.4", "3.0"),
     ("3.3.1", "3.2"), ("3.4", "3.2"), ("3.5.0", "3.5"), ("3.6.1", "3.6"), ("4.0.0", "4.0"), ("4.1.0", "4.0")],
)  # fmt: skip
def test_versions_belong_to_generations(text: str, generation: str) -> None:
    assert OpenSSL.parse(text).generation == generation


def test_what_is_no_version_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="not a version of OpenSSL"):
        OpenSSL.parse("newest")
