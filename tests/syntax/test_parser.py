"""The parser: places of words, recovery from faults, and what of nginx's grammar crossplane has wrong."""

from __future__ import annotations

import pytest

from nginxtls.syntax import Directive, SourceFile, parse_text
from nginxtls.syntax.stream import MAX_DEPTH


def only(text: str) -> Directive:
    file = parse_text(text)
    assert not file.problems
    (directive,) = file.directives
    return directive


def shape(directives: list[Directive]) -> list[object]:
    return [(d.name, *d.args) if d.block is None else (d.name, *d.args, shape(d.block)) for d in directives]


def span(directive: Directive, arg: int | None = None) -> tuple[int, int, int, int]:
    place = directive.span if arg is None else directive.arg_span(arg)
    return place.line, place.column, place.end_line, place.end_column


# -- places ------------------------------------------------------------------------------------------------------------


def test_a_quoted_argument_has_its_quotes_in_its_span() -> None:
    directive = only("add_header X-A 'b c'  \"d\";")
    assert directive.args == ("X-A", "b c", "d")
    assert span(directive) == (1, 1, 1, 26)
    assert span(directive, 1) == (1, 16, 1, 21)
    assert directive.arg_text(1) == "'b c'"
    assert span(directive, 2) == (1, 23, 1, 26)


def test_a_directive_over_several_lines() -> None:
    directive = only("ssl_ciphers\n  HIGH:\\\n!aNULL # the rest\n  :!MD5\n;")
    assert directive.args == ("HIGH:\\\n!aNULL", ":!MD5")
    assert span(directive, 0) == (2, 3, 3, 7)
    assert span(directive, 1) == (4, 3, 4, 8)
    assert directive.file.text[directive.end - 1] == ";"


def test_several_directives_on_a_line_with_tabs() -> None:
    file = parse_text("http {\tserver {\tlisten 443 ssl;\tssl_protocols TLSv1.2; } }")
    server = file.directives[0].block[0]  # type: ignore[index]
    listen, protocols = server.block or []
    assert (listen.column, protocols.column) == (17, 33)
    assert span(protocols, 0) == (1, 47, 1, 54)
    assert protocols.parent is server
    assert server is not None
    assert server.end == len("http {\tserver {\tlisten 443 ssl;\tssl_protocols TLSv1.2; }")


def test_columns_count_characters_not_bytes() -> None:
    directive = only("server_name bücher.example 店.example;")
    assert directive.args == ("bücher.example", "店.example")
    assert span(directive, 1) == (1, 28, 1, 37)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    file = parse_text(end.join(["user a;", "", "pid b;", "events {", "}"]))
    assert not file.problems
    assert [(d.line, d.column) for d in file.directives] == [(1, 1), (3, 1), (4, 1)]
    assert file.line_text(3) == "pid b;"


def test_a_byte_order_mark_is_told_and_counts_no_column() -> None:
    file = parse_text("\ufeffuser a;")
    (problem,) = file.problems
    assert "byte order mark" in problem.message
    assert problem.fatal
    assert file.directives[0].name == "user"
    assert file.directives[0].column == 1


def test_comments_are_kept_even_on_the_last_line_without_an_end() -> None:
    file = parse_text("# one\r\nuser a; # two\nlisten # three\n 80;\n# four")
    assert [(c.text, file.position(c.start)) for c in file.comments] == [
        ("# one", (1, 1)),
        ("# two", (2, 9)),
        ("# three", (3, 8)),
        ("# four", (5, 1)),
    ]
    assert file.directives[1].args == ("80",)


def test_a_lone_carriage_return_does_not_end_a_comment() -> None:
    # Measured on 1.18.0 to 1.30.6: nginx goes on to the line feed.
    assert shape(parse_text("user a; # b\rpid c;\npid d;").directives) == [("user", "a"), ("pid", "d")]


def test_if_loses_its_parentheses_and_keeps_its_places() -> None:
    directive = only('if ( $scheme = "http") { }')
    assert directive.args == ("$scheme", "=", "http")
    assert span(directive, 0) == (1, 6, 1, 13)
    assert directive.arg_text(2) == '"http"'
    directive = only("if ($bad) { }")
    assert directive.args == ("$bad",)
    assert span(directive, 0) == (1, 5, 1, 9)


def test_lua_is_one_argument() -> None:
    code = ' local a = "}" -- }\n --[[ } ]] local b = [==[ } ]==] if a then return { 1 } end '
    file = parse_text("location / { content_by_lua_block {" + code + "} return 200; }")
    assert not file.problems
    lua, after = file.directives[0].block or []
    assert lua.args == (code,)
    assert lua.arg_text(0) == code
    assert after.name == "return"
    assert only("set_by_lua_block $res { return 1 }").args == ("$res", " return 1 ")


# -- nginx's grammar, where it is not what one thinks -----------------------------------------------------------------


def test_only_a_brace_at_the_start_of_a_word_closes_a_block() -> None:
    assert only("return 200 a};").args == ("200", "a}")
    assert only("set $a ${b}c;").args == ("$a", "${b}c")


def test_words_are_separated_by_four_characters_only() -> None:
    assert only("pid a\u00a0b\x0bc;").args == ("a\u00a0b\x0bc",)


def test_escapes_are_resolved_as_nginx_does() -> None:
    assert only(r"""a "b\tc\.d\\e\"f" g\ h\;i 'j"\'k';""").args == ('b\tc\\.d\\e"f', "g\\ h\\;i", "j\"'k")


def test_a_quote_inside_a_word_is_a_character() -> None:
    assert only("""a b"c d'e;""").args == ('b"c', "d'e")


def test_quoted_terminators_and_hashes() -> None:
    assert only("a 'b;{}' \"#c\" d#e;").args == ("b;{}", "#c", "d#e")


# -- faults ------------------------------------------------------------------------------------------------------------


def problems(file: SourceFile) -> list[tuple[str, tuple[int, int]]]:
    return [(p.message, file.position(p.start or 0)) for p in file.problems]


def test_a_missing_semicolon_before_a_brace() -> None:
    file = parse_text("server {\n  listen 80\n}\nserver { listen 81; }")
    assert problems(file) == [('the directive "listen" is not ended before "}": ";" is missing', (2, 3))]
    assert shape(file.directives) == [("server", [("listen", "80")]), ("server", [("listen", "81")])]


def test_a_missing_semicolon_that_makes_nginx_refuse() -> None:
    file = parse_text("http {\n  ssl_ciphers HIGH\n  ssl_session_timeout 5m;\n  root /x;\n}")
    ((message, place),) = problems(file)
    assert '";" is missing after "ssl_ciphers"' in message
    assert place == (2, 3)
    assert shape(file.directives) == [
        ("http", [("ssl_ciphers", "HIGH"), ("ssl_session_timeout", "5m"), ("root", "/x")])
    ]


@pytest.mark.parametrize(
    ("text", "sign", "read"),
    [
        # nginx 1.18 to 1.30: invalid parameter "server_name", invalid value "ssl_ciphers".
        ("listen 443 ssl\n server_name a b;", ";", [("listen", "443", "ssl"), ("server_name", "a", "b")]),
        ("ssl_protocols TLSv1.2\n ssl_ciphers HIGH;", ";", [("ssl_protocols", "TLSv1.2"), ("ssl_ciphers", "HIGH")]),
        # invalid number of arguments in "root" directive
        ("root /x\n location / { }", ";", [("root", "/x"), ("location", "/", [])]),
        # directive "location" has no opening "{", directive "error_log" is not terminated by ";"
        ("location /\n root /x; }", "{", [("location", "/", [("root", "/x")])]),
        ("if ($a)\n return 403;", "{", [("if", "$a"), ("return", "403")]),
        ("error_log /x\n location / { }", ";", [("error_log", "/x"), ("location", "/", [])]),
    ],
)
def test_a_terminator_missing_before_the_next_line(text: str, sign: str, read: list[object]) -> None:
    file = parse_text(text)
    (problem,) = file.problems
    assert problem.message.startswith(f'"{sign}" is missing after')
    assert problem.fatal
    assert (problem.start, problem.end) == (0, text.index("\n"))
    assert shape(file.directives) == read


def test_words_of_listen_that_are_named_like_directives() -> None:
    assert only("listen 443\n  ssl http2\n  proxy_protocol;").args == ("443", "ssl", "http2", "proxy_protocol")


def test_comments_of_a_directive_without_its_semicolon_are_kept_once() -> None:
    file = parse_text("root /x # one\n  # two\n  index a; # three")
    assert [c.text for c in file.comments] == ["# one", "# two", "# three"]


def test_an_argument_that_is_missing_is_at_its_directive() -> None:
    directive = only("  ssl_certificate;")
    assert span(directive, 0) == (1, 3, 1, 18)
    assert directive.arg_text(0) == ""


def test_a_missing_semicolon_that_nginx_accepts_is_read_as_nginx_does() -> None:
    file = parse_text("server {\n  server_name a.example\n  root /x;\n}")
    (problem,) = file.problems
    assert not problem.fatal
    assert "server_name" in problem.message
    assert shape(file.directives) == [("server", [("server_name", "a.example", "root", "/x")])]


def test_arguments_that_are_named_like_directives_are_no_fault() -> None:
    assert not parse_text(
        "gzip_types\n  text/css\n  text/xml;\nindex\n  index.html;\nlog_format a\n 'x'\n 'y';"
    ).problems
    assert not parse_text("map $a $b {\n  default\n  on;\n}").problems


def test_a_missing_semicolon_at_the_end() -> None:
    file = parse_text("user a;\nlisten 80 # http\n")
    assert problems(file) == [
        ('the directive "listen" is not ended before the end of the file: ";" is missing', (2, 1))
    ]
    assert [c.text for c in file.comments] == ["# http"]


def test_a_brace_too_many() -> None:
    file = parse_text("server { listen 80; }\n}\nserver { listen 81; }")
    ((message, place),) = problems(file)
    assert 'unexpected "}"' in message
    assert place == (2, 1)
    assert len(file.directives) == 2


def test_a_block_never_closed_is_told_at_the_likely_culprit() -> None:
    file = parse_text("server {\n    location / {\n        root /x;\n    listen 80;\n}\n")
    ((message, place),) = problems(file)
    assert '"location" is never closed' in message
    assert place == (2, 5)


def test_stray_terminators() -> None:
    file = parse_text("events { };\n{ user a; }\nuser b;")
    assert [m for m, _ in problems(file)] == [
        'unexpected ";": there is no directive before it',
        'unexpected "{": a block needs a name',
    ]
    assert file.directives[-1].args == ("b",)


def test_a_quote_never_closed_loses_one_line_only() -> None:
    file = parse_text('add_header A "b;\nadd_header C "d";\nroot /x;\nadd_header E "f;\n')
    assert [place for _, place in problems(file)] == [(1, 14), (4, 14)]
    assert shape(file.directives) == [
        ("add_header", "A", '"b'),
        ("add_header", "C", "d"),
        ("root", "/x"),
        ("add_header", "E", '"f'),
    ]


def test_text_right_after_a_quoted_word() -> None:
    file = parse_text('return 200 "a"b;\nroot /x;')
    assert problems(file) == [("unexpected 'b' after a quoted word", (1, 15))]
    assert [d.name for d in file.directives] == ["return", "root"]


def test_strings_over_lines_are_no_fault() -> None:
    assert only("log_format main 'a\n b; '\n  \"c\";").args == ("main", "a\n b; ", "c")


@pytest.mark.parametrize("depth", [MAX_DEPTH, 3000, 50_000])
def test_nesting_costs_no_stack_and_loses_nothing_after_it(depth: int) -> None:
    file = parse_text("http {" + "location / {" * depth + "root /x;" + "}" * depth + "}\nuser a;")
    assert [d.name for d in file.directives] == ["http", "user"]
    assert bool(file.problems) == (depth >= MAX_DEPTH)
    assert all("nested" in p.message and not p.fatal for p in file.problems)
    levels = 0
    directive: Directive | None = file.directives[0]
    while directive:
        levels += 1
        directive = directive.block[0] if directive.block else None
    assert levels <= MAX_DEPTH + 1


def test_the_number_of_problems_is_bounded() -> None:
    assert len(parse_text("}" * 10_000).problems) <= 50


@pytest.mark.parametrize(
    "text", ["", "\n", "# c", "{", "}", ";", '"', "\\", "$", "${", "a", "a{", "if", "if (;", "\ufeff", "a \\"]
)
def test_odd_ends(text: str) -> None:
    file = parse_text(text)
    for directive in file.walk():
        assert len(directive.words) == len(directive.args) + 1
