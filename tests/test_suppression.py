"""Comments that silence findings: where they hold."""

from __future__ import annotations

import pytest

from nginxtls.finding import Finding, Label, Location, Severity
from nginxtls.linting.suppression import Suppressions, suppressions
from nginxtls.syntax import SourceFile, parse_text

SITE = """\
server {
    listen 443 ssl;
    ssl_protocols TLSv1
        TLSv1.2;
    location / {
        proxy_pass https://backend;
    }
}
"""


def found(file: SourceFile, line: int, *, label_line: int | None = None, rule: str = "a") -> str | None:
    """Whether a finding on that line of the file is told (None) or why it is not."""
    place = Location(file, file.span(*two_offsets(file, line)))
    labels = (Label(Location(file, file.span(*two_offsets(file, label_line))), ""),) if label_line else ()
    return Suppressions([file]).apply(Finding(rule, Severity.ERROR, "m", place, labels=labels)).suppressed


def two_offsets(file: SourceFile, line: int) -> tuple[int, int]:
    start = file.line_starts[line - 1]
    return start + len(file.line_text(line)) - len(file.line_text(line).lstrip()), start + len(file.line_text(line))


def with_comment(line: int, comment: str, *, above: bool = False) -> SourceFile:
    lines = SITE.splitlines()
    if above:
        lines.insert(line - 1, comment)
    else:
        lines[line - 1] += f" {comment}"
    return parse_text("\n".join(lines))


def test_at_the_end_of_a_line_it_holds_for_that_line_alone() -> None:
    file = with_comment(2, "# nginxtls: ignore[a] known")
    assert found(file, 2) == "ignored: known"
    assert found(file, 1) is None
    assert found(file, 3) is None


def test_it_holds_for_the_rules_that_it_names() -> None:
    file = with_comment(2, "#nginxtls:ignore[ a,b ]")
    assert found(file, 2) == "ignored"
    assert found(file, 2, rule="b") == "ignored"
    assert found(file, 2, rule="c") is None


def test_behind_a_directive_of_several_lines_it_holds_for_all_of_them() -> None:
    file = with_comment(4, "# nginxtls: ignore[a]")
    assert found(file, 3)
    assert found(file, 4)


def test_alone_above_it_holds_for_the_next_directive() -> None:
    file = with_comment(3, "# nginxtls: ignore[a]", above=True)
    assert found(file, 2) is None
    assert found(file, 4)
    assert found(file, 5)
    assert found(file, 6) is None


def test_other_comments_may_stand_between() -> None:
    file = parse_text("# nginxtls: ignore[a]\n# why {\n# not }\nlisten 443;\nlisten 80;\n")
    assert found(file, 4)
    assert found(file, 5) is None


@pytest.mark.parametrize("above", [False, True])
def test_on_the_opening_line_of_a_block_it_holds_for_the_block(above: bool) -> None:
    file = with_comment(5, "# nginxtls: ignore[a]", above=above)
    shift = 1 if above else 0
    assert found(file, 5 + shift)
    assert found(file, 6 + shift)
    assert found(file, 3) is None


def test_it_works_at_any_place_that_the_finding_shows() -> None:
    file = with_comment(2, "# nginxtls: ignore[a]")
    assert found(file, 6, label_line=2)


def test_for_the_file_it_stands_above_the_first_directive() -> None:
    file = parse_text("# nginxtls: ignore-file[a] generated\n" + SITE)
    assert found(file, 2) == found(file, 7) == "ignored: generated"
    late = parse_text(SITE + "# nginxtls: ignore-file[a]")
    assert found(late, 2) is None
    assert suppressions(late)[0].lines is None


def test_at_the_end_of_a_file_without_newline_it_is_read() -> None:
    assert found(parse_text("listen 443 ssl; # nginxtls: ignore[a]"), 1)


def test_above_a_closing_brace_it_holds_nowhere() -> None:
    file = parse_text("server {\n listen 80;\n # nginxtls: ignore[a]\n}\nserver { listen 81; }\n")
    assert found(file, 5) is None
    assert suppressions(file)[0].lines is None


def test_crlf_and_a_byte_order_mark_change_nothing() -> None:
    file = parse_text("\ufeff# nginxtls: ignore[a]\r\nlisten 443 ssl;\r\nlisten 80;\r\n")
    assert found(file, 2)
    assert found(file, 3) is None


def test_a_quoted_hash_is_no_comment() -> None:
    file = parse_text('add_header X "# nginxtls: ignore[a]";\n')
    assert suppressions(file) == []
