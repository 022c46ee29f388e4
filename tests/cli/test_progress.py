"""Progress: a count and an estimate in one line of the terminal."""

from __future__ import annotations

import pytest

from nginxtls.cli import progress


def test_progress_counts_and_estimates_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter((0.0, 0.05, 1.0, 10.0, 11.0))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    show = progress.Progress(visible=True)
    for done in (0, 1, 10, 50):
        show("linting", done, 100)
    show("")
    lines = capsys.readouterr().err.replace("\x1b[K", "").split("\r")
    assert [line for line in lines if line] == [
        "linting: 0 of 100",
        "linting: 10 of 100",
        "linting: 50 of 100, about 10 s left",
    ]
    progress.Progress(visible=False)("linting", 1, 2)
    assert capsys.readouterr().err == ""
