"""Fixes: which go together, what the texts are after them, and a diff that git applies."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxtls.finding import Edit, Finding, Fix, Location, Severity
from nginxtls.fix import apply, diff, plan, write
from nginxtls.rule import delete, replace_argument
from nginxtls.syntax import parse_text
from nginxtls.syntax.tree import SourceFile

TEXT = "server {\n    ssl_protocols TLSv1 TLSv1.2;\n    ssl_protocols TLSv1.2;\n    ssl_session_tickets off;\n}\n"


def finding(*edits: Edit, safe: bool = True, suppressed: str | None = None) -> Finding:
    fix = Fix("fix it", edits, safe)
    return Finding("a-rule", Severity.WARNING, "m", edits[0].location, fix=fix, suppressed=suppressed)


def edit(file: SourceFile, start: int, end: int, text: str) -> Edit:
    return Edit(Location(file, file.span(start, end)), text)


def test_a_removed_directive_takes_its_line_with_it() -> None:
    file = parse_text(TEXT, "nginx.conf")
    repeated = file.directives[0].block[1]  # type: ignore[index]
    assert apply([finding(delete(repeated))], unsafe=False) == {
        file: TEXT.replace("    ssl_protocols TLSv1.2;\n", "", 1)
    }


def test_unsafe_and_suppressed_fixes_are_left_alone() -> None:
    file = parse_text(TEXT, "nginx.conf")
    change = replace_argument(file.directives[0].block[0], 0, "TLSv1.3")  # type: ignore[index]
    unsafe = finding(change, safe=False)
    done = plan([unsafe, finding(change, suppressed="baseline")], unsafe=False)
    assert (dict(done.texts), done.fixed, done.left) == ({}, (), ((unsafe, "the fix is unsafe"),))
    assert apply([unsafe], unsafe=True)[file] == TEXT.replace("TLSv1 ", "TLSv1.3 ", 1)


def test_where_fixes_overlap_the_first_wins_and_the_other_is_left() -> None:
    file = SourceFile("a.conf", "abcdefgh")
    first, second = finding(edit(file, 2, 5, "X")), finding(edit(file, 4, 6, "Y"), edit(file, 0, 1, "Z"))
    done = plan([first, second], unsafe=False)
    assert done.texts == {file: "abXfgh"}
    assert done.left == ((second, "it overlaps another fix; run again after that"),)


def test_the_same_edit_of_two_findings_is_made_once() -> None:
    file = SourceFile("a.conf", "abcdefgh")
    done = plan([finding(edit(file, 2, 5, "X")), finding(edit(file, 2, 5, "X"))], unsafe=False)
    assert done.texts == {file: "abXfgh"}
    assert len(done.fixed) == 2


def test_two_views_of_one_file_are_edited_together() -> None:
    views = [SourceFile("a.conf", "abcdefgh", "/srv/a.conf") for _ in range(2)]
    done = plan([finding(edit(views[0], 0, 1, "1")), finding(edit(views[1], 7, 8, "8"))], unsafe=False)
    assert list(done.texts.values()) == ["1bcdefg8"]


def test_a_dump_and_text_inside_another_file_are_not_edited() -> None:
    dump, inside = SourceFile("/etc/nginx/nginx.conf", "abc"), SourceFile("map.yaml", "abc")
    dump.outer, inside.first_line = ("dump.txt", 3), 7
    left = plan([finding(edit(dump, 0, 1, "")), finding(edit(inside, 0, 1, ""))], unsafe=False).left
    assert [reason for _, reason in left] == ["it is in a dump", "it is inside another file"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_byte_order_marks_stay(end: str, tmp_path: Path) -> None:
    text = "\ufeff" + TEXT.replace("\n", end)
    path = tmp_path / "nginx.conf"
    path.write_bytes(text.encode())
    path.chmod(0o640)
    file = parse_text(text, "nginx.conf", str(path))
    done = apply([finding(edit(file, 1, 7, "http {\n  server"))], unsafe=False)
    assert done == {file: text.replace("server", f"http {{{end}  server", 1)}
    write(file, done[file])
    assert path.read_bytes() == done[file].encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["nginx.conf"]


def test_a_file_that_has_changed_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("new")
    with pytest.raises(OSError, match="has changed"):
        write(SourceFile("a.conf", "old", str(path)), "fixed")
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, error: int) -> None:
    path = tmp_path / "a.conf"
    path.write_text("old")
    with (
        patch("os.fsync", side_effect=OSError(error, os.strerror(error))),
        pytest.raises(OSError, match=os.strerror(error)),
    ):
        write(SourceFile("a.conf", "old", str(path)), "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.conf"]


def test_a_path_that_became_a_link_is_not_written(tmp_path: Path) -> None:
    path, other = tmp_path / "a.conf", tmp_path / "other"
    other.write_text("old")
    path.symlink_to(other)
    with pytest.raises(OSError, match="symbolic link"):
        write(SourceFile("a.conf", "old", str(path)), "new")
    assert other.read_text() == "old"


def test_a_character_that_the_encoding_lacks_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_bytes("# caf\u00e9".encode("latin-1"))
    with pytest.raises(OSError, match="lacks a character"):
        write(SourceFile("a.conf", "# caf\u00e9", str(path)), "# \u6f22")
    write(SourceFile("a.conf", "# caf\u00e9", str(path)), "# th\u00e9")
    assert path.read_bytes() == "# th\u00e9".encode("latin-1")


places = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 6), st.text("xyz\n", max_size=3)), min_size=1, max_size=8
)


@given(st.text("ab ;\n\té漢", min_size=1, max_size=40), places)
def test_what_is_fixed_is_what_a_reader_would_do_by_hand(text: str, wanted: list[tuple[int, int, str]]) -> None:
    file = SourceFile("a.conf", text)
    findings = []
    for start, length, replacement in wanted:
        start = min(start, len(text))
        findings.append(finding(edit(file, start, min(start + length, len(text)), replacement)))
    done = plan(findings, unsafe=False)
    assert len(done.fixed) + len(done.left) == len(findings)
    assert findings[0] in done.fixed
    edits = {(offsets(f), f.fix.edits[0].replacement) for f in done.fixed if f.fix}
    expected = text
    for (start, end), replacement in sorted(edits, reverse=True):  # from the end, so that offsets stay true
        expected = expected[:start] + replacement + expected[end:]
    assert done.texts.get(file, text) == expected


def offsets(found: Finding) -> tuple[int, int]:
    span, file = found.location.span, found.location.file
    return tuple(file.line_starts[line - 1] + column - 1 for line, column in (
        (span.line, span.column), (span.end_line, span.end_column)))  # type: ignore[return-value]  # fmt: skip


@pytest.mark.parametrize("name", ["nginx.conf", "with space.conf", 'quo"te\t\u202e.conf'])
@pytest.mark.parametrize("old", [TEXT, TEXT.rstrip("\n"), TEXT.replace("\n", "\r\n")])
def test_git_applies_the_diff(tmp_path: Path, name: str, old: str) -> None:
    path = tmp_path / name
    path.write_bytes(old.encode())
    file = parse_text(old, name)
    texts = apply([finding(delete(file.directives[0].block[2]))], unsafe=False)  # type: ignore[index]
    subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], input=diff(texts).encode(), cwd=tmp_path, check=True)
    assert path.read_bytes().decode() == texts[file]
    assert "ssl_session_tickets" not in texts[file]
