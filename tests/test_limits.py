"""The limits of a run: documented as they are, and caches that live as long as the process stay within theirs."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from random import Random

import pytest

from nginxtls import check
from nginxtls.base.bounded import bounded
from nginxtls.base.errors import UsageError
from nginxtls.base.limits import LIMITS
from nginxtls.base.printing import harmless, json_text, shown
from nginxtls.base.reading import read_regular
from nginxtls.base.writing import write, write_whole
from nginxtls.linting.baseline import read_baseline
from nginxtls.linting.settings import Settings, read_settings
from nginxtls.pki import TrustStore
from nginxtls.syntax import SourceFile
from nginxtls.tls import load_policy

ROOT = Path(__file__).parents[1]


def test_the_documentation_has_every_limit() -> None:
    table = (ROOT / "docs/limits.md").read_text()
    rows = [line.split("\t") for line in (ROOT / "nginxtls/base/limits.tsv").read_text().splitlines() if line[0] != "#"]
    assert [name for name, _, _ in rows] == list(LIMITS)
    for _, number, text in rows:
        assert f"| {int(number):,} | {text} |" in table


def test_a_cache_keeps_so_many_results_of_so_many_bytes() -> None:
    calls: list[bytes] = []

    @bounded(3, 100)
    def length(data: bytes, factor: int = 1) -> int:
        calls.append(data)
        return len(data) * factor

    assert [length(b"a"), length(b"a"), length(b"a", factor=2), length(b"a", 3)] == [1, 1, 2, 3]
    assert len(calls) == 3
    length(b"b")
    length(b"a")  # the oldest of more than three is gone
    assert calls[3:] == [b"b", b"a"]
    length(b"x" * 26)
    length(b"x" * 26)  # more than a quarter of the bytes
    assert calls[5:] == [b"x" * 26] * 2

    @bounded(3, 100)
    def joined(words: tuple[str, ...]) -> str:
        calls.append(b"")
        return "".join(words)

    assert joined(("a", "b" * 25)) == joined(("a", "b" * 25))  # texts in a tuple count
    assert len(calls) == 9


def test_nothing_of_a_configuration_outlives_its_report(tmp_path: Path) -> None:
    main = tmp_path / "short-lived.conf"
    lines = "listen 443 ssl; ssl_ciphers HIGH:RC4:X; ssl_ecdh_curve Y:X25519; short_lived x;"
    main.write_text(f"events {{}}\nhttp {{ server {{ {lines} }} }}\n")

    def alive() -> list[object]:
        gc.collect()
        return [
            each
            for each in gc.get_objects()
            if (isinstance(each, SourceFile) and each.path == str(main))
            or (isinstance(each, frozenset) and "short_lived" in each)
        ]

    report = check(main, settings=Settings())
    # Both look up the places of words.
    assert {"unknown-cipher", "unknown-group"} <= {finding.rule for finding in report.findings}
    assert alive()
    del report
    assert not alive()


def sizes() -> dict[str, int]:
    """The entries of each cache without a limit, and of each collection of a module, by name."""
    found = {}
    for name, module in [*sys.modules.items()]:
        for attribute, value in [*vars(module).items()] if name.startswith("nginxtls") else ():
            if isinstance(value, (dict, list, set)):
                found[f"{name}.{attribute}"] = len(value)
            elif hasattr(value, "cache_info") and value.cache_info().maxsize is None:
                found[f"{name}.{attribute}"] = value.cache_info().currsize
    return found


def test_what_is_kept_does_not_grow_with_the_number_of_configurations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checks, handshakes and clients of configurations that differ in everything."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.chdir(tmp_path)
    import memory

    dice = Random(1)

    def look(numbers: range) -> dict[str, int]:
        for number in numbers:
            memory.write(number, dice)
            monkeypatch.setattr(memory, "OPENSSL", f"3.{number % 6}.{number}")
            monkeypatch.setattr(memory, "NGINX", f"1.{20 + number % 9}.{number}")
            memory.check()
            memory.answers()
        return sizes()

    first = look(range(60))
    assert len(first) > 40
    assert look(range(60, 120)) == first


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe.yaml")
    return tmp_path / "pipe.yaml"


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "."])
def test_only_regular_files_are_read(name: str, pipe: Path) -> None:
    path = pipe if name == "pipe" else Path(name)
    with pytest.raises(OSError, match=r"not a regular file|folder"):
        read_regular(path, 10)
    for read in (read_settings, read_baseline):
        with pytest.raises(UsageError, match=r"not a regular file|folder"):
            read(path)
    for load in (load_policy, lambda path: TrustStore.named(str(path))):
        with pytest.raises(OSError, match=r"not a regular file|folder"):
            load(path)


def test_a_larger_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_regular(tmp_path / "x", 5) == b"12345"
    with pytest.raises(OSError, match="larger than 0 kB"):
        read_regular(tmp_path / "x", 4)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for writer in (write, write_whole):
        with pytest.raises(OSError, match="No space"):
            writer(tmp_path / "x", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"old")]


def test_a_link_is_followed_and_a_device_is_written(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"
    write(Path("/dev/null"), b"x")
    assert not Path("/dev/null").is_file()


HOSTILE = (
    "::error::x",
    " ::set-output name=a::b",
    "a ##[error]x",
    "##vso[task.x]y",
    "##teamcity[x]",
    "a\x1b[31m\x85\u202e\u2028b",
)


def test_the_arrow_of_a_report_stays_as_it_is() -> None:
    assert harmless("  ::: sites-enabled/a.conf:6:5\n::::x") == "  ::: sites-enabled/a.conf:6:5\n\\x3a:::x"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_line_is_a_command_or_controls_a_terminal(text: str) -> None:
    line = shown(text)
    assert line.isprintable()
    assert not line.lstrip().startswith("::")
    assert not any(mark in line for mark in ("##[", "##vso[", "##teamcity["))


@pytest.mark.parametrize("text", [*HOSTILE, "\x7f", "ä😀", 'a"\\\n', "\udcff"])
def test_json_is_printable_and_the_same_text(text: str) -> None:
    import json

    written = json_text({"a": [text]})
    assert written.isascii()
    assert written.isprintable()
    assert "##[" not in written
    assert json.loads(written) == {"a": [text.replace("\udcff", "\\udcff")]}
