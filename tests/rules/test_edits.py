"""The edits that rules offer, as somebody would make them by hand."""

from __future__ import annotations

import pytest
from nginxtls.rules.common.edits import after, beside, inside, listing, moved, put, quoted, without_words

from nginxtls.finding import Edit, Finding, Fix, Severity
from nginxtls.fix import apply
from nginxtls.syntax.reading import source
from nginxtls.syntax.tree import Directive, SourceFile


def applied(fix: Fix | Edit | None) -> str:
    assert fix is not None
    whole = fix if isinstance(fix, Fix) else Fix("fix it", (fix,))
    finding = Finding("a-rule", Severity.WARNING, "m", whole.edits[0].location, fix=whole)
    return next(iter(apply([finding], unsafe=True).values()))


def parsed(text: str) -> SourceFile:
    return source("site.conf", text)


def named(file: SourceFile, name: str) -> Directive:
    return next(line for line in file.walk() if line.name == name)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("server {\n}\n", "server {\n    ssl_protocols TLSv1.3;\n}\n"),
        ("server { }", "server { ssl_protocols TLSv1.3; }"),
        ("server { listen 443 ssl; root /a; }", "server { listen 443 ssl; ssl_protocols TLSv1.3; root /a; }"),
        (
            "server {\n\tlisten 443 ssl; # all\n\troot /a;\n}\n",
            "server {\n\tlisten 443 ssl; # all\n\tssl_protocols TLSv1.3;\n\troot /a;\n}\n",
        ),
        (
            "server {\r\n  listen 443;\r\n  ssl_ciphers HIGH;\r\n  root /a;\r\n}\r\n",
            "server {\r\n  listen 443;\r\n  ssl_ciphers HIGH;\r\n  ssl_protocols TLSv1.3;\r\n  root /a;\r\n}\r\n",
        ),
        (
            "server { # {\n    ssl_ciphers HIGH\n        ;\n}",
            "server { # {\n    ssl_ciphers HIGH\n        ;\n    ssl_protocols TLSv1.3;\n}",
        ),
        (
            "server {\n    {% if a %}\n    ssl_ciphers HIGH;\n    {% endif %}\n    listen 443;\n}\n",
            "server {\n    {% if a %}\n    ssl_ciphers HIGH;\n    {% endif %}\n    listen 443;\n"
            "    ssl_protocols TLSv1.3;\n}\n",
        ),
    ],
)
def test_a_line_is_added_beside_those_that_it_belongs_to(before: str, expected: str) -> None:
    assert applied(inside(named(parsed(before), "server"), "ssl_protocols TLSv1.3;")) == expected


def test_a_setting_is_written_where_it_is_or_added() -> None:
    file = parsed("server {\n    ssl_protocols TLSv1;  # old\n    ssl_protocols TLSv1.1;\n}\n")
    fix = put(named(file, "server"), "ssl_protocols", "TLSv1.2", "TLSv1.3")
    assert applied(fix) == "server {\n    ssl_protocols TLSv1.2 TLSv1.3;  # old\n}\n"
    alone = parsed("listen 443 ssl;\n")
    assert applied(beside(alone.directives[0], "http2", "on")) == "listen 443 ssl;\nhttp2 on;\n"


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("server {\n    ssl_conf_command Groups X25519;\n}\n", "server {\n    ssl_ecdh_curve X25519;\n}\n"),
        (
            "server {\n    ssl_ecdh_curve P-256;\n    ssl_conf_command Groups X25519;\n}\n",
            "server {\n    ssl_ecdh_curve X25519;\n}\n",
        ),
    ],
)
def test_a_setting_takes_the_place_of_another_line(before: str, expected: str) -> None:
    assert applied(moved(named(parsed(before), "ssl_conf_command"), "ssl_ecdh_curve", "X25519")) == expected


def test_words_are_removed_and_the_line_with_the_last_one() -> None:
    line = parsed("listen 443 ssl 'http2';\nroot /a;\n").directives[0]
    assert applied(without_words(line, [2])) == "listen 443 ssl;\nroot /a;\n"
    assert applied(without_words(line, [0, 1, 2])) == "root /a;\n"
    groups = parsed("ssl_ecdh_curve 'X25519:sect283r1';").directives[0]
    assert applied(listing(groups, 0, lambda word: word != "sect283r1", ":")) == "ssl_ecdh_curve X25519;"
    assert listing(groups, 0, lambda word: False, ":") is None


def test_a_line_after_the_last_of_a_file_without_a_line_end() -> None:
    assert applied(after(parsed("root /a;").directives[0], "http2 on;")) == "root /a;\nhttp2 on;"


@pytest.mark.parametrize("text", ["a:b", "a b", 'say "x"', "it's", "a\\b c", "{x};", "", "#x", "'\"\\"])
def test_quoted_text_is_read_as_it_is(text: str) -> None:
    assert parsed(f"directive {quoted(text)};").directives[0].args == (text,)
