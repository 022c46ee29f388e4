"""crossplane in the main path: its function on our tokens, its payload out and in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import crossplane
import pytest
from crossplane import parser as crossplane_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from nginxtls.syntax import Directive, Files, LoadedTree, discover, parse_text, read_tree
from nginxtls.syntax.parser import crossplane_ast
from nginxtls.syntax.payloads import is_payload, payload, read_payload
from nginxtls.syntax.words import unescape

FIXTURES = Path(__file__).parents[2] / "fixtures"
EXAMPLES = sorted(path for path in FIXTURES.glob("**/*.conf") if b"{{" not in path.read_bytes())

TEXT = """\
# who
user www-data;\t# why
events { worker_connections 10; }
http {
    include  conf.d/*.conf;
    log_format main '$remote_addr "$request"'
                    "a\\tb\\\\c\\"d" \\.x\\;y '';
    server { if ( $a = "b c" ) { return 301 https://$host$request_uri; }
             listen 443 ssl; location ~ \\.php$ { } location / { content_by_lua_block { local a = "}" -- x
        } }
    }
}
"""


def plain(statements: list[dict[str, Any]], *, places: bool = False) -> list[dict[str, Any]]:
    """Statements without what crossplane has not, and with escapes as nginx resolves them."""
    found = []
    for statement in statements:
        new = {key: value for key, value in statement.items() if places or key not in ("column", "end", "includes")}
        new["args"] = [unescape(arg) if "_by_lua_block" not in statement["directive"] else arg for arg in new["args"]]
        if "block" in new:
            new["block"] = plain(new["block"], places=places)
        found.append(new)
    return found


def ours(path: Path) -> dict[str, Any]:
    tree = read_tree(path, Files([path.parent]))
    return payload([(tree, tree.files)])


def load(path: Path) -> list[LoadedTree]:
    sources = discover([str(path)], files=Files([path.parent]))
    assert not sources.failures
    return sources.trees


def shape(directives: list[Directive]) -> list[object]:
    return [(d.name, d.args, d.line, None if d.block is None else shape(d.block)) for d in directives]


# -- the function ------------------------------------------------------------------------------------------------------


def test_parse_looks_lex_up_among_its_globals() -> None:
    """What the private copy in nginxtls.syntax.parser rests on; a release that changes it needs another way in."""
    code = crossplane_parser.parse.__code__
    assert "lex" in code.co_names
    assert not code.co_freevars
    seen: list[str] = []

    def tokens() -> Any:
        seen.append("read")
        yield from [("user", 7, True), ("a", 0, True), (";", 0, False)]

    assert crossplane_ast(tokens()) == [{"directive": "user", "line": 7, "args": ["a"]}]
    assert seen == ["read"]


def test_the_module_is_left_alone_and_nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(vars(crossplane_parser))
    parse_text("user a;")  # whatever is imported is imported now

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError(arguments)

    for name in ("builtins.open", "io.open", "os.open", "glob.glob"):
        monkeypatch.setattr(name, refuse)
    file = parse_text("include /etc/passwd; include /etc/*;")
    monkeypatch.undo()
    assert [d.args for d in file.includes] == [("/etc/passwd",), ("/etc/*",)]
    assert vars(crossplane_parser) == before


def test_incomplete_tokens_are_no_silent_loss() -> None:
    with pytest.raises(RuntimeError, match="crossplane"):
        crossplane_ast([("user", 0, True)])


def test_a_word_like_a_token_of_another_kind_is_a_word() -> None:
    file = parse_text("a '#b' ';' '{' '}'; '#c' d; '}' e;")
    assert not file.problems
    assert [(d.name, *d.args) for d in file.directives] == [("a", "#b", ";", "{", "}"), ("#c", "d"), ("}", "e")]


# -- out ---------------------------------------------------------------------------------------------------------------


def test_the_payload_is_crossplanes(tmp_path: Path) -> None:
    compared = 0
    for path in EXAMPLES:
        theirs = crossplane.parse(str(path), single=True, comments=True, check_ctx=False, check_args=False)
        if theirs["status"] == "ok":
            compared += 1
            assert plain(ours(path)["config"][0]["parsed"]) == plain(theirs["config"][0]["parsed"]), path
    assert compared > 300


def test_places(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(TEXT)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.conf").write_text("upstream a { server 10.0.0.1; }\n")
    found = ours(path)
    assert found["status"] == "ok"
    who, user, why, _, http = found["config"][0]["parsed"]
    assert who == {
        "directive": "#",
        "line": 1,
        "column": 1,
        "end": {"line": 1, "column": 6},
        "args": [],
        "comment": " who",
    }
    assert user["end"] == {"line": 2, "column": 15}
    assert (why["comment"], why["column"]) == (" why", 16)
    assert http["end"] == {"line": 12, "column": 2}
    include, log_format, server = http["block"]
    assert include["includes"] == [1]
    assert log_format["args"] == ["main", '$remote_addr "$request"', 'a\tb\\c"d', "\\.x\\;y", ""]
    assert server["block"][0]["args"] == ["$a", "=", "b c"]
    assert found["config"][1]["parsed"][0]["directive"] == "upstream"


def test_faults_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text("include gone.conf;\nuser a;\nevents {\n")
    found = ours(path)
    assert found["status"] == "failed"
    assert [(error["line"], error["error"][:9]) for error in found["errors"]] == [(3, "the block"), (1, "gone.conf")]
    assert [statement["directive"] for statement in found["config"][0]["parsed"]] == ["include", "user", "events"]


def test_a_template_is_as_written(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf.j2"
    path.write_text("server {\n  listen {{ port }} ssl;\n  {{ more }}\n}\n")
    tree = load(path)[0].tree
    (server,) = payload([(tree, tree.files)])["config"][0]["parsed"]
    assert [(s["directive"], s["args"]) for s in server["block"]] == [
        ("listen", ["{{ port }}", "ssl"]),
        ("{{ more }}", []),
    ]


# -- in ----------------------------------------------------------------------------------------------------------------


def test_a_payload_is_read_as_the_files_are(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(TEXT)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.conf").write_text("\nupstream a { server 10.0.0.1; }\n")
    (straight,) = load(path)
    theirs = crossplane.parse(str(path), comments=True)
    for found in (theirs, ours(path)):
        if found is not theirs:
            for config, name in zip(found["config"], ("nginx.conf", "conf.d/a.conf"), strict=True):
                config["file"] = f"{tmp_path}/{name}"
        (tmp_path / "payload.json").write_text(json.dumps(found))
        (read,) = load(tmp_path / "payload.json")
        assert read.from_dump
        assert [shape(file.directives) for file in read.tree.files] == [
            shape(file.directives) for file in straight.tree.files
        ]
        assert [c.text for c in read.tree.roots[0].comments] == [c.text for c in straight.tree.roots[0].comments]
        assert [file.nginx_path for file in read.tree.files] == [str(path), f"{tmp_path}/conf.d/a.conf"]
        assert not any(file.problems for file in read.tree.files)

    def places(loaded: LoadedTree) -> list[tuple[object, object]]:
        return [(f.position(d.start), f.position(d.end)) for f in loaded.tree.files for d in f.walk()]

    assert places(read) == places(straight)


words = st.text(alphabet="ab\\\"'$;{}# \n\tnrt.()", max_size=6)


@settings(max_examples=300, deadline=None)
@given(st.lists(words, min_size=1, max_size=4), st.booleans())
def test_any_word_survives(args: list[str], exact: bool) -> None:
    statement: dict[str, Any] = {"directive": "a", "line": 3, "args": args}
    if exact:
        statement["column"] = 5
    else:
        # crossplane keeps a backslash with what follows it, so that none is the last character of a word.
        args[:] = [arg.rstrip("\\") for arg in args]
    (file,) = read_payload(json.dumps({"config": [{"file": "x", "parsed": [statement]}]}))
    found = parse_text(file.text)
    assert not found.problems
    (directive,) = found.directives
    assert directive.args == tuple(args if exact else map(unescape, args))
    assert (directive.line, directive.column) == (3, 5 if exact else 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"config": 1}', "is not a payload"),
        ('{"config": []}', "no file"),
        ('{"config": [{"file": "a"}]}', "is not a payload"),
        (
            '{"config": [{"file": "a", "parsed": [{"directive": "a", "line": 1000000000000, "args": []}]}]}',
            "beyond line",
        ),
        ('{"config": [{"file": "a", "parsed": [{"directive": "a\\u0000", "line": 1, "args": []}]}]}', "null"),
        (
            '{"config": [{"file": "a", "parsed": [{"file": "b", "directive": "a", "line": 1, "args": []}]}]}',
            "--combine",
        ),
        ('{"config": ' + "[" * 100_000, "nested"),
        ('{"status": "ok", ', "is not a payload"),
    ],
)
def test_what_is_no_payload_is_one_message(text: str, reason: str, tmp_path: Path) -> None:
    assert is_payload(text)
    path = tmp_path / "payload.json"
    path.write_text(text)
    (failure,) = discover([str(path)], files=Files([tmp_path])).failures
    assert reason in failure.reason


def test_what_crossplane_could_not_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text("events { }\nhttp { server { listen 443 ssl }\n")
    (tmp_path / "payload.json").write_text(json.dumps(crossplane.parse(str(path))))
    (loaded,) = load(tmp_path / "payload.json")
    assert any("crossplane" in problem.message for problem in loaded.tree.roots[0].problems)
