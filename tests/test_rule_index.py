"""The filter of the rule index, in Chromium: words, hidden topics, the count."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from nginxtls.linting.registry import installed_rules

RULES = Path(__file__).parents[1] / "docs" / "rules"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")


def filtered(words: str, folder: Path) -> tuple[str, list[str], list[str]]:
    """The count that is shown, the topics and the rules that are not hidden."""
    text = MarkdownIt("commonmark", {"html": True}).enable("table").render((RULES / "index.md").read_text("utf-8"))
    script = (RULES / "filter.js").read_text("utf-8")
    page = folder / "index.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><article>{text}</article><script>{script}</script>", "utf-8")
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile", "--dump-dom",
         f"{page.as_uri()}?filter={words}"], capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    count = re.findall(r"<output[^>]*>(.*?)</output>", done.stdout)[0]
    topics = re.findall(r"<h2>(.*?)</h2>", done.stdout)
    rows = re.findall(r"<tr>\s*<td><a [^>]*>([^<]*)</a>", done.stdout)
    return count, topics, rows


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_words_of_the_topic_and_the_row_filter_the_index(tmp_path: Path) -> None:
    rules = installed_rules()
    count, topics, rows = filtered("", tmp_path)
    assert count == f"{len(rules)} of {len(rules)} rules"
    assert sorted(rows) == sorted(rules)
    count, topics, rows = filtered("stapling+revoked", tmp_path)
    assert topics == ["stapling"]
    assert "revoked-certificate" in rows
    assert set(rows) < {name for name, rule in rules.items() if rule.topic == "stapling"}
    assert count == f"{len(rows)} of {len(rules)} rules"
    assert filtered("no-such-word", tmp_path) == (f"0 of {len(rules)} rules", [], [])
