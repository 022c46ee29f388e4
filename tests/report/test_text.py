"""Text as people read it: exact pages for ordinary findings, and what must hold for any source."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxtls.base.freshness import DATE
from nginxtls.finding import Finding, Label, Location, Severity
from nginxtls.linting.report import Report
from nginxtls.report import Options, formats, renderer
from nginxtls.report.source import cells
from nginxtls.syntax.places import Failure
from nginxtls.syntax.tree import SourceFile

render = renderer("text")
QUIET = Options(width=100, quiet=True)
ORDINARY = """\
error[legacy-protocol]: TLS 1.0 is accepted for shop.example.com
  --> nginx.conf:9:19
   |
 9 |     ssl_protocols TLSv1 TLSv1.2;
   |                   ^^^^^ enables TLS 1.0
   |
  ::: sites-enabled/default.conf:2:20
   |
 2 |     listen 443 ssl default_server;
   |                    -------------- this server decides the protocols of every name on *:443
   |
  ::: sites-enabled/shop.conf:5:5
   |
 5 |     ssl_protocols TLSv1.2 TLSv1.3;
   |     ----------------------------- not used for this name by nginx 1.26
   |
   = note: clients of before 2010 need it
   = note: affects shop.example.com on *:443, www.example.com on *:443, a.example.com on *:443 and 2
           more
   = help: TLS 1.0 clients will be refused (unsafe fix: remove `TLSv1`)

note[repeated-directive]: the line stands there twice
  --> sites-enabled/shop.conf:5:5
   |
 5 |     ssl_protocols TLSv1.2 TLSv1.3;
   |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   = help: remove it (safe fix)

checked 4 files, 3 servers, 2 endpoints, 1 certificate with facts of FACTS; not checked: 2
private keys (no permission)
1 error, 1 note, 1 safe fix, 1 unsafe fix; 1 suppressed, 1 in the baseline; took 0.12 s
""".replace("FACTS", DATE.isoformat())


def one(file: SourceFile, *marks: tuple[int, int, str]) -> Report:
    """A report of one finding; its first mark (offsets and text) is the primary one."""
    (start, end, text), *others = marks
    labels = tuple(Label(Location(file, file.span(s, e)), t) for s, e, t in others)
    finding = Finding("r", Severity.WARNING, "m", Location(file, file.span(start, end)), text, labels)
    return Report((finding,), {})


def excerpt(report: Report, options: Options = QUIET) -> str:
    return "".join(f"{line}\n" for line in render(report, options).splitlines()[2:])


def test_a_page_as_a_whole(ordinary: Report) -> None:
    assert render(ordinary, Options(width=100)) == ORDINARY


def test_colour_and_links_change_nothing_but_the_looks(ordinary: Report) -> None:
    colored = render(ordinary, Options(width=100, color=True, hyperlinks=True))
    assert "\x1b[1;31m^^^^^\x1b[0m \x1b[1;31menables TLS 1.0\x1b[0m" in colored
    assert "\x1b]8;;https://www.rfc-editor.org/rfc/rfc8996\x1b\\" in colored
    assert re.sub(r"\x1b\]8;;.*?\x1b\\|\x1b\[[\d;]*m", "", colored) == ORDINARY


def test_several_labels_on_a_line_hang_below_it() -> None:
    file = SourceFile("a.conf", "ssl_protocols TLSv1 TLSv1.1 TLSv1.2;\n")
    assert excerpt(one(file, (14, 19, "obsolete"), (0, 13, "the directive"), (28, 35, "fine"))) == (
        "   |\n"
        " 1 | ssl_protocols TLSv1 TLSv1.1 TLSv1.2;\n"
        "   | ------------- ^^^^^         ------- fine\n"
        "   | |             |\n"
        "   | |             obsolete\n"
        "   | the directive\n"
    )


def test_lines_between_marks_are_shown_or_left_out() -> None:
    file = SourceFile("a.conf", "one\ntwo\nthree\nfour\nfive\nsix\n")
    assert excerpt(one(file, (0, 3, "a"), (8, 13, "b"), (24, 27, "c"))) == (
        "   |\n 1 | one\n   | ^^^ a\n 2 | two\n 3 | three\n   | ----- b\n...\n 6 | six\n   | --- c\n"
    )


@pytest.mark.parametrize(
    ("line", "mark", "shown", "under"),
    [
        ("\tlisten\t443;", "443", "    listen  443;", "            ^^^"),
        ("a \u6f22\u5b57 b;", "b", "a \u6f22\u5b57 b;", "       ^"),
        ("\u6f22\u5b57;", "\u5b57", "\u6f22\u5b57;", "  ^^"),
        ("e\u0301 x;", "x", "e\u0301 x;", "  ^"),
        ("\x1b[31m x;", "x", "\\x1b[31m x;", "         ^"),
        ("\u202eab x;", "x", "\\u202eab x;", "         ^"),
        ("x\ud800;", ";", "x\\ud800;", "       ^"),
    ],
)
def test_carets_stand_under_what_they_mean(line: str, mark: str, shown: str, under: str) -> None:
    file = SourceFile("a.conf", f"{line}\n")
    start = line.index(mark)
    assert excerpt(one(file, (start, start + len(mark), ""))) == f"   |\n 1 | {shown}\n   | {under}\n"


def test_a_span_of_several_lines_is_marked_on_its_first() -> None:
    file = SourceFile("a.conf", "server {\n  listen 1;\n}\n")
    assert excerpt(one(file, (0, 22, "this server"))) == "   |\n 1 | server {\n   | ^^^^^^^^ this server\n"


def test_input_that_could_not_be_linted_has_the_form_of_a_finding() -> None:
    file = SourceFile("a.conf", "server {\n")
    place = Location(file, file.span(7, 8))
    report = Report((), {}, failures=(Failure("a.conf", "a block is not closed", place, "add a }"), Failure("b", "c")))
    assert render(report, QUIET) == (
        "error: a.conf: a block is not closed\n"
        "  --> a.conf:1:8\n   |\n 1 | server {\n   |        ^\n   = help: add a }\n"
        "\nerror: b: c\n"
    )


def test_suppressed_findings_say_why(ordinary: Report) -> None:
    text = render(ordinary, Options(width=100, show_suppressed=True))
    assert "= note: not counted: ignored: old phones [sic]\n" in text
    assert "= note: not counted: it is in the baseline\n" in text


def test_statistics_and_what_was_not_checked_on_demand(ordinary: Report) -> None:
    text = render(ordinary, Options(width=100, statistics=True, verbose=True))
    assert "     1 error[legacy-protocol]\n     1 note[repeated-directive]\n" in text
    assert "  not checked: b.key: no permission (tls.conf:2:1)\n" in text


def test_concise_has_a_line_a_finding(ordinary: Report) -> None:
    assert renderer("concise")(ordinary, Options(quiet=True)) == (
        "nginx.conf:9:19: error[legacy-protocol] TLS 1.0 is accepted for shop.example.com\n"
        "sites-enabled/shop.conf:5:5: note[repeated-directive] the line stands there twice\n"
    )


@pytest.mark.parametrize("form", ["text", "concise"])
def test_hostile_text_steers_no_terminal(hostile: Report, form: str) -> None:
    for options in (Options(verbose=True, show_suppressed=True), Options(width=40, verbose=True)):
        text = renderer(form)(hostile, options)
        assert not set(text) & {"\x1b", "\u202e", "\u200f", "\x00", "\r", "\udcff"}
        assert not any(line.startswith("::") for line in text.splitlines())


WORDS = st.text("ab \t;{}\u6f22\u0301\u202e\x1b", min_size=1, max_size=400)


@given(st.data(), WORDS, st.sampled_from([0, 30, 40, 60, 80]))
def test_no_source_line_is_wider_than_the_terminal(data: st.DataObject, line: str, width: int) -> None:
    file = SourceFile("a.conf", line)
    marks = data.draw(st.lists(st.tuples(st.integers(0, len(line)), st.integers(0, len(line))), min_size=1, max_size=4))
    report = one(file, *((min(pair), max(pair), "") for pair in marks))
    room = max(width or 200, 40)
    for options in (QUIET._replace(width=width), QUIET._replace(width=width, color=True)):
        shown = re.sub(r"\x1b\[[\d;]*m", "", render(report, options)).splitlines()[2:]
        assert all(cells(text) <= room for text in shown), shown
        carets = shown[-1] if "^" in shown[-1] else shown[2]
        assert "^" in carets


def test_the_mark_of_a_long_line_is_what_is_shown() -> None:
    line = "x" * 300 + "{MARK}" + "y" * 100_000
    shown = excerpt(one(SourceFile("a.conf", line), (300, 306, "here")), QUIET._replace(width=60)).splitlines()
    start = shown[2].index("^")
    assert shown[1][start : start + 6] == "{MARK}"
    assert shown[1].endswith("…")
    assert shown[1][5] == "…"


def test_built_in_formats_are_entry_points_too() -> None:
    from importlib.metadata import entry_points

    assert formats() == list(dict.fromkeys(formats()))
    assert {point.name for point in entry_points(group="nginxtls.formats")} >= {"text", "sarif", "html"}
    for point in entry_points(group="nginxtls.formats"):
        assert point.load().render is renderer(point.name)
