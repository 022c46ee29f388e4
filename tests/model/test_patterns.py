"""Regular expressions as nginx reads them: PCRE2's syntax, and never without a limit."""

from __future__ import annotations

import pytest

from nginxtls.model.patterns import read_pattern


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        (r"^\Qa.b\E\.test$", "a.b.test", "axb.test"),
        (r"^\p{N}+\.test$", "12.test", "a.test"),
        (r"^[[:alpha:]]+\.test$", "abc.test", "a1.test"),
        (r"^(?'n'\w+)\.test$", "x.test", "x.example"),
        (r"\.test\z", "a.test", "a.test.example"),
        (r"^\h?a\.test$", "a.test", "b.test"),
        (r"^www\.\Ka\.test$", "www.a.test", "a.test"),
        (r"^(?>a+)b\.test$", "aab.test", "aa.test"),
        (r"^a++b\.test$", "aab.test", "aa.test"),
        (r"^(?<u>\w+)\.(?:test|example)$", "x.test", "x.org"),
        (r"^(\((?1)*\))a$", "(()())a", "(()a"),
        (r"^r[0-9]{2}\.test$", "r12.test", "r1.test"),
    ],
)
def test_a_pattern_matches_what_pcre2_matches(text: str, matching: str, other: str) -> None:
    pattern = read_pattern(text)
    assert pattern.error is None
    assert pattern.matches(matching) is True
    assert pattern.matches(other) is False


def test_case_counts_for_some() -> None:
    assert read_pattern(r"\.PNG$").matches("/a.png") is True
    assert read_pattern(r"\.PNG$", caseless=False).matches("/a.png") is False
    assert read_pattern(r"\.\QPNG\E$", caseless=False).matches("/a.png") is False


@pytest.mark.parametrize(
    "text", [r"^(a+)+$", r"^(a|a)*$", "a?" * 30 + "a" * 30 + "$", r"(*LIMIT_MATCH=4000000000)^(a+)+$", r"(.*)*(.*)*x"]
)
def test_a_pattern_without_end_is_unknown_soon(text: str) -> None:
    assert read_pattern(text).matches("a" * 200 + "!") in (None, False)


@pytest.mark.parametrize("text", ["(", "[a", "*a", r"\p{Nosuch}", "(?<a", "a)"])
def test_what_does_not_compile_is_an_error(text: str) -> None:
    assert read_pattern(text).error
    assert read_pattern(text).matches("a") is None


def test_without_the_package_only_plain_patterns_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pcre2", None)
    assert read_pattern(r"^a\.test$").matches("a.test") is True
    assert read_pattern(r"^\Qa.test\E$", caseless=False).matches("a.test") is None
