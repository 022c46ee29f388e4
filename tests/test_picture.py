"""The picture in the README is of a report as it is now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]


def test_the_picture_is_of_todays_report(tmp_path: Path) -> None:
    """``python tools/picture.py docs/report.svg`` draws it anew."""
    subprocess.run([sys.executable, ROOT / "tools/picture.py", tmp_path / "report.svg"], check=True)
    drawn, again = (texts(file) for file in (ROOT / "docs/report.svg", tmp_path / "report.svg"))
    assert drawn == again
    assert any("missing-intermediate" in text for text in drawn)
    assert (ROOT / "docs/report.svg").stat().st_size < 40_000
    assert "](docs/report.svg)" in (ROOT / "README.md").read_text()


def texts(file: Path) -> list[str]:
    """What a reader sees, as versions of rich place it differently."""
    whole = ElementTree.fromstring(file.read_text())
    return [element.text or "" for element in whole.iter("{http://www.w3.org/2000/svg}text")]
