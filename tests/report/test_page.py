"""The HTML page in a real browser: 10,000 findings open and filter at once, and a phone can show it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from nginxtls.linting.report import Report
from nginxtls.report import Options, renderer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
PROBE = """<script>
(() => {
  const told = {}, input = () => new Event("input", { bubbles: true });
  const type = (field, value) => { field.value = value; field.dispatchEvent(input()); };
  const shown = () => [...document.querySelectorAll("main article")].filter(e => !e.hidden).length;
  const search = document.querySelector("input[type=search]");
  told.all = shown();
  type(search, "site77"); told.found = shown();
  type(search, ""); document.querySelector("input[value=note]").click(); told.noteless = shown();
  told.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  told.scripts = document.scripts.length; told.hacked = "hacked" in window;
  document.title = JSON.stringify(told);
})();
</script>"""

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")


def opened(page: str, folder: Path, size: str = "1200,900") -> dict[str, int]:
    """What the probe saw on the page once everything on it had run."""
    path = folder / "report.html"
    path.write_text(page + PROBE, encoding="utf-8")
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder}/profile", f"--window-size={size}", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    title = done.stdout.partition("<title>")[2].partition("</title>")[0]
    reported: dict[str, int] = json.loads(title)
    return reported


def test_thousands_of_findings_are_filtered(many: Report, tmp_path: Path) -> None:
    reported = opened(renderer("html")(many, Options()), tmp_path)
    assert reported["all"] == 10_000
    assert reported["found"] == 111
    assert reported["noteless"] == 6_666


@pytest.mark.parametrize("size", ["500,900", "1200,900"])
def test_it_fits_narrow_windows_and_runs_no_script_of_others(hostile: Report, tmp_path: Path, size: str) -> None:
    reported = opened(renderer("html")(hostile, Options(show_suppressed=True)), tmp_path, size)
    assert reported["wide"] <= 0
    assert reported["scripts"] == 2  # its own and the probe
