"""``nginxtls parse``, and its output as the input of other commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nginxtls.cli import run


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["nginxtls", *arguments])
    with pytest.raises(SystemExit) as end:
        run()
    captured = capsys.readouterr()
    return int(str(end.value.code or 0)), captured.out, captured.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sites").mkdir()
    (tmp_path / "nginx.conf").write_text("events { }\nhttp {\n    include sites/*.conf;\n}\n")
    (tmp_path / "sites" / "a.conf").write_text("server {\n    listen 443 ssl;\n\n    ssl_protocols SSLv3;\n}\n")
    return tmp_path


def test_a_file_with_its_includes(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, _ = call(capsys, monkeypatch, "parse", "nginx.conf")
    found = json.loads(out)
    assert (status, found["status"]) == (0, "ok")
    assert [config["file"] for config in found["config"]] == ["nginx.conf", "sites/a.conf"]
    assert found["config"][0]["parsed"][1]["block"][0]["includes"] == [1]


def test_a_part_is_printed_by_itself(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = call(capsys, monkeypatch, "parse", "sites/a.conf", "--indent", "1")
    assert [config["file"] for config in json.loads(out)["config"]] == ["sites/a.conf"]
    assert out.startswith('{\n "status"')


def test_findings_on_a_payload_are_those_on_the_files(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = call(capsys, monkeypatch, "parse", "nginx.conf")
    (folder / "payload.json").write_text(out)

    def reported(path: str) -> list[tuple[str, str, int, int]]:
        _, text, _ = call(capsys, monkeypatch, "check", path, "--no-config", "--format", "json")
        return [
            (f["rule"], f["location"]["file"], f["location"]["line"], f["location"]["column"])
            for f in json.loads(text)["findings"]
        ]

    found = reported("payload.json")
    assert any(place == ["sites/a.conf", 4, 19] for _, *place in found), found
    assert found == reported("nginx.conf")


def test_what_cannot_be_read_is_exit_code_2(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, err = call(capsys, monkeypatch, "parse", "gone.conf")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
