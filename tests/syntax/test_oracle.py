"""crossplane as the oracle: the same words, lines and nesting, but for what was measured to be wrong in it."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import crossplane
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nginxtls.syntax import Directive, parse_text
from nginxtls.syntax.words import unescape

Statement = tuple[str, list[str], int, Any]


def ours(directives: list[Directive]) -> list[Statement]:
    return [(d.name, list(d.args), d.line, None if d.block is None else ours(d.block)) for d in directives]


def theirs(statements: list[dict[str, Any]]) -> list[Statement]:
    """crossplane keeps escapes that nginx resolves."""
    return [
        (
            unescape(s["directive"]),
            [unescape(a) for a in s["args"]] if not s["directive"].endswith("_by_lua_block") else s["args"],
            s["line"],
            theirs(s["block"]) if "block" in s else None,
        )
        for s in statements
    ]


def crossplane_parse(text: str, folder: Path) -> tuple[list[Statement], list[str]]:
    path = folder / "nginx.conf"
    path.write_bytes(text.encode())
    result = crossplane.parse(str(path), single=True, check_ctx=False, check_args=False)
    return theirs(result["config"][0]["parsed"]), [error["error"] for error in result["errors"]]


CONFIGURATIONS = [
    """
    user  www-data;
    events { worker_connections 1024; } # how many
    http {
        log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                        '$status $body_bytes_sent';
        map $http_upgrade $connection_upgrade { default upgrade; '' close; "~x;y" z; }
        server {
            listen [::]:443 ssl http2 default_server; server_name ~^(?<sub>.+)\\.example\\.com$ *.example.org "";
            ssl_ciphers
                "ECDHE-RSA-AES128-GCM-SHA256:!aNULL"
            ;
            if ($host ~ "^www\\.(.*)$") { return 301 https://$1$request_uri; }
            if ( $a = b ) { set $c "d e"; }
            location ~ \\.php$ { fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; }
            location = /a\\ b { try_files $uri ${uri}.html ${a}b =404; }
            location / { content_by_lua_block { local t = { a = "}" } -- }
                ngx.say("x") }
            }
        }
    }
    """,
    "a;b;c{d;e{f;}}#x\ng h;",
    "types { text/html html htm; application/x-é é; }",
    "a 'b\\'c' \"d\\\"e\" f\\g h\\\\;",
    "\r\n\r\na\r\n b\r\n;\r\nc { d; }\r\n",
    "\n".join(f"server {{ listen {port}; server_name s{port}; }}" for port in range(200)),
]


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_configurations(text: str, tmp_path: Path) -> None:
    expected, errors = crossplane_parse(text, tmp_path)
    file = parse_text(text)
    assert not errors
    assert not file.problems
    assert ours(file.directives) == expected


words = st.one_of(
    st.text(alphabet="abcxyz019_-./:*~^$|()=@é", min_size=1, max_size=8),
    st.sampled_from(["${a}", "x${a}y", "$a", "a\\;b", "a\\ b", "~\\.php$", "a#b", "a'b", 'a"b', "(a", "b)"]),
    st.text(alphabet="ab ;{}#$'\n\té", max_size=6).map(lambda text: '"' + text + '"'),
    st.text(alphabet='ab ;{}#$"\n\té', max_size=6).map(lambda text: "'" + text + "'"),
    st.sampled_from(['"a\\"b"', "'a\\'b'", '"a\\\\"', "'\\n'"]),
)
gaps = st.sampled_from([" ", "\n", "\t", "  ", "\r\n", " \n\t "])
names = st.one_of(
    st.sampled_from(["server", "listen", "if", "map", "ssl_protocols"]), st.text("abc_", min_size=1, max_size=6)
)


@st.composite
def statements(draw: st.DrawFn, depth: int = 0) -> str:
    parts = [draw(names)]
    for word in draw(st.lists(words, max_size=4)):
        parts += [draw(gaps), word]
    head = "".join(parts) + draw(st.sampled_from([" ", "\n"]))
    if depth < 3 and draw(st.booleans()):
        inside = draw(st.lists(statements(depth=depth + 1), max_size=3))
        return head + "{" + draw(gaps).join(["", *inside, ""]) + "}"
    return head + ";" + draw(st.sampled_from(["", "# a comment; {\n"]))


@settings(max_examples=300, deadline=None)
@given(st.lists(statements(), max_size=4), gaps)
def test_any_configuration(tmp_path_factory: pytest.TempPathFactory, parts: list[str], gap: str) -> None:
    text = gap.join(["", *parts, ""])
    assume(not re.search(r"\$\{a\}\s", text))  # told apart below
    expected, errors = crossplane_parse(text, tmp_path_factory.getbasetemp())
    file = parse_text(text)
    assert not errors
    assert not file.problems
    assert ours(file.directives) == expected


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab \n\t;{}\"'\\$#()é\r\ufeff\x0b", max_size=60))
def test_any_text_is_read(text: str) -> None:
    file = parse_text(text)
    for directive in file.walk():
        places = directive.words
        assert len(places) == len(directive.args) + 1
        assert directive.start == places[0][0]
        assert all(start <= end <= len(text) for start, end in places)
        assert all(before[0] <= after[0] for before, after in pairwise(places))
        assert directive.start < directive.end <= len(text)
        if directive.parent:
            assert directive.parent.start < directive.start
            assert directive.end <= directive.parent.end
    for problem in file.problems:
        assert problem.start is not None
        assert problem.end is not None
        assert 0 <= problem.start <= problem.end <= len(text)


# -- what crossplane has wrong, and we do not ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("try_files ${uri} /b;", ["${uri}", "/b"]),  # crossplane: one word
        ("return 200 a};", ["200", "a}"]),  # crossplane: the end of a block
        ("pid a\u00a0b;", ["a\u00a0b"]),  # crossplane: two words
        ("set $a ${b;", ["$a", "${b"]),  # crossplane: goes on to the next "}" or blank
        ('a "b\\tc";', ["b\tc"]),  # crossplane: keeps the escape
    ],
)
def test_words_that_crossplane_has_wrong(text: str, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(text)
    result = crossplane.parse(str(path), single=True, check_ctx=False, check_args=False)
    assert result["errors"] or [s["args"] for s in result["config"][0]["parsed"]] != [words]
    file = parse_text(text)
    assert not file.problems
    assert [list(d.args) for d in file.directives] == [words]


def test_faults_that_crossplane_tells_nothing_of(tmp_path: Path) -> None:
    parsed, errors = crossplane_parse("user a;\npid b", tmp_path)
    assert errors == [""]
    file = parse_text("user a;\npid b")
    assert "pid" in file.problems[0].message
    assert len(file.directives) == 2

    _, errors = crossplane_parse("a;" + "b {" * 3000 + "}" * 3000, tmp_path)
    assert errors
    assert len(parse_text("a;" + "b {" * 3000 + "}" * 3000 + "c;").directives) == 3

    parsed, _ = crossplane_parse("\ufeffuser a;", tmp_path)
    assert parsed[0][0] == "\ufeffuser"
    assert parse_text("\ufeffuser a;").directives[0].name == "user"
