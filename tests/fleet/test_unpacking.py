"""An archive writes inside its folder only, whatever its members are called and link to."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxtls.fleet.unpacking import BadArchive, unpack

NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", "", "/"]), min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])


def archive(members: list[tuple[bytes, str, str]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for kind, name, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, 7 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b"content"))
    return buffer.getvalue()


@given(st.lists(st.tuples(KINDS, NAMES, NAMES), max_size=6))
def test_nothing_outside_is_written(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[bytes, str, str]]
) -> None:
    top = tmp_path_factory.mktemp("top")
    inside = top / "x/y"
    inside.mkdir(parents=True)
    try:
        unpack(archive(members), inside, 10_000)
    except BadArchive:
        pass
    assert [path.name for path in top.iterdir()] == ["x"]
    assert [path.name for path in (top / "x").iterdir()] == ["y"]
    for folder, _, names in os.walk(inside):
        for name in names:
            mode = (Path(folder) / name).lstat().st_mode
            assert (mode & 0o170000) in (0o100000, 0o120000)


def test_a_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    members = [(tarfile.SYMTYPE, "link", str(tmp_path)), (tarfile.REGTYPE, "link/evil", "")]
    unpack(archive(members), inside, 10_000)
    assert not (tmp_path / "evil").exists()
    assert (inside / "link/evil").read_text() == "content"


def test_links_are_kept_as_they_are(tmp_path: Path) -> None:
    unpack(archive([(tarfile.SYMTYPE, "a/link", "/etc/nginx/site"), (tarfile.LNKTYPE, "hard", "a/file")]), tmp_path, 10)
    assert os.readlink(tmp_path / "a/link") == "/etc/nginx/site"
    assert os.readlink(tmp_path / "hard") == "a/file"


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08", b"not a tar", b"BZh9", b"\xfd7zXZ\x00\x00"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadArchive):
        unpack(content, tmp_path, 10_000)
