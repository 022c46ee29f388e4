"""The fact files name their source and date, and what users see of it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType

import pytest

import nginxtls
from nginxtls.base.freshness import DATE, FRESH_DAYS, notice
from nginxtls.report import BUILT_IN

ROOT = Path(__file__).parents[1]
NGINXTLS = Path(sys.executable).with_name("nginxtls")


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FACTS = tool("facts")


@pytest.mark.parametrize("path", FACTS.FACTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_fact_file_has_source_and_date(path: Path) -> None:
    entry = FACTS.fact(path)
    assert len(entry.source) > 10
    assert date(2026, 1, 1) < entry.checked


def test_a_file_without_source_or_date_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FACTS, "ROOT", tmp_path)
    for text in ("# source: somewhere\n", "# checked: 2026-11-29\n"):
        (tmp_path / "a.tsv").write_text(text + "a\tb\n")
        with pytest.raises(ValueError, match=r"a\.tsv: no (date|source)"):
            FACTS.fact(tmp_path / "a.tsv")


def test_the_date_is_that_of_the_oldest_file() -> None:
    assert min(FACTS.fact(path).checked for path in FACTS.FACTS) == DATE


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([NGINXTLS, *arguments], capture_output=True, text=True, check=False)


def test_the_version_says_how_old_the_facts_are() -> None:
    assert run("--version").stdout == f"nginxtls {nginxtls.__version__} (facts of {DATE})\n"


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "nginx.conf"
    path.write_text(
        "events {}\nhttp { server { listen 80; add_header Strict-Transport-Security max-age=63072000; } }\n"
    )
    return path


@pytest.mark.parametrize("form", BUILT_IN)
def test_reports_say_how_old_the_facts_are_and_name_versions_that_are_too_new(main: Path, form: str) -> None:
    reported = run("check", str(main), "--format", form, "--openssl-version", "4.1.0").stdout
    assert DATE.isoformat() in reported
    assert "OpenSSL 4.1.0: given" in reported
    assert "OpenSSL 4.1.0 is newer than OpenSSL 4.0" in reported
    assert "is newer than OpenSSL" not in run("check", str(main), "--format", form, "--openssl-version", "4.0.3").stdout


def test_a_nginx_that_is_too_new_is_named(main: Path) -> None:
    hints = json.loads(run("check", str(main), "--format", "json", "--nginx-version", "1.33.0").stdout)["hints"]
    assert hints == ["nginx 1.33.0 is newer than nginx 1.31, the newest that is modelled, and is treated as that"]
    assert not json.loads(run("check", str(main), "--format", "json", "--nginx-version", "1.31.9").stdout)["hints"]


def test_old_facts_are_noted_once_on_standard_error(main: Path) -> None:
    old = DATE + timedelta(days=FRESH_DAYS + 1)
    assert notice(DATE + timedelta(days=FRESH_DAYS)) is None
    done = run("check", str(main), "--at", old.isoformat())
    assert done.stderr.count("a newer release may have newer ones") == 1
    assert done.returncode == 0
    assert "newer release" not in run("check", str(main), "--at", DATE.isoformat()).stderr


CHANGES = """# CHANGES
### Changes between 3.5.5 and 3.5.6 [7 Apr 2026]
 * Something ([CVE-2026-2673])
### Changes between 3.5.4 and 3.5.5 [27 Jan 2026]
"""


def test_fixes_that_changes_do_not_mention_are_found(tmp_path: Path) -> None:
    file = tmp_path / "CHANGES.md"
    file.write_text(CHANGES)
    assert not [line for line in FACTS.openssl_flaws([file]) if line.startswith("CVE-2026-2673")]
    file.write_text(CHANGES.replace(" * Something", " * Other ([CVE-2027-1])\n * Something"))
    assert "CVE-2027-1, fixed in 3.5.6: neither in the table nor left out" in list(FACTS.openssl_flaws([file]))
    file.write_text(CHANGES.replace("2673", "2"))
    assert "CVE-2026-2673: CHANGES of 3.5.6 do not mention it" in list(FACTS.openssl_flaws([file]))
