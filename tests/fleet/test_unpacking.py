"""An archive writes inside its folder only, whatever its members are called and link to."""

from __future__ import annotations

import io
import lzma
import os
import tarfile
import tracemalloc
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


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.REGTYPE])
def test_no_header_is_larger_than_memory(kind: bytes, tmp_path: Path) -> None:
    """A few kB can say that a name has 200 MB, and have them."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, 200_000_000
    content = lzma.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(info.size))
    tracemalloc.start()
    try:
        with pytest.raises(BadArchive, match="more bytes than the limit"):
            unpack(content, tmp_path, 64_000_000)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_each_compression(compression: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as tar:  # type: ignore[call-overload]
        info = tarfile.TarInfo("a" * 120 + "/" + "b" * 120)  # needs a header of its own
        info.size = 900_000
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    unpack(buffer.getvalue(), tmp_path, 3_000_000)
    assert (tmp_path / info.name).stat().st_size == info.size


def test_one_bad_member_costs_that_member(tmp_path: Path) -> None:
    members = [
        (tarfile.REGTYPE, "a", ""), (tarfile.REGTYPE, "a/b", ""), (tarfile.REGTYPE, "x" * 300, ""),
        (tarfile.REGTYPE, "../up", ""), (tarfile.FIFOTYPE, "pipe", ""), (tarfile.SYMTYPE, "a", "c"),
        (tarfile.REGTYPE, "./", ""), (tarfile.DIRTYPE, ".", ""), (tarfile.REGTYPE, "last", ""),
    ]  # fmt: skip
    lost = unpack(archive(members), tmp_path, 10_000)
    assert [entry.partition(":")[0] for entry in lost] == ["a/b", "x" * 300, "../up", "pipe", "a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "last"]
