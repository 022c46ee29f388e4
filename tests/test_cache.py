"""Reports that are kept: told again byte for byte while nothing changed, and never when anything did."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nginxtls.moment import Bounds, Moment

FIXTURES = Path(__file__).parent.parent / "fixtures"
SITE = """\
server {{
    listen 443 ssl;
    server_name site{number}.example.com;
    ssl_certificate certificates/{certificate}.pem;
    ssl_certificate_key certificates/good.key;
}}
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of sixty sites with faults, old enough that a change would show in its time."""
    folder = tmp_path_factory.mktemp("tree")
    (folder / "sites").mkdir()
    (folder / "certificates").mkdir()
    (folder / "nginx.conf").write_text(
        "events {}\nhttp {\n    ssl_protocols TLSv1 TLSv1.2;\n    include sites/*.conf;\n}\n"
    )
    for number in range(60):
        text = SITE.format(number=number, certificate="good" if number else "leaf-only")
        (folder / f"sites/{number:02}.conf").write_text(text)
    for name in ("good.pem", "good.key", "leaf-only.pem"):
        shutil.copy(FIXTURES / "certificates" / name, folder / "certificates")
    (folder / "certificates/link.pem").symlink_to("good.pem")
    time.sleep(1.1)
    return folder


@pytest.fixture
def check(tree: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs ``nginxtls check`` on the tree with a cache of its own."""

    def run(*options: str) -> str:
        command = [sys.executable, "-m", "nginxtls", "check", ".", "--no-config", "--exit-zero", *options]
        environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=True)
        return re.sub(r' time="[\d.]+"', "", done.stdout)

    return run


def entries(tmp_path: Path) -> list[Path]:
    return [*(tmp_path / "cache/nginxtls/reports").glob("*.json")]


@pytest.mark.parametrize("form", ["concise", "sarif", "github", "gitlab", "junit", "checkstyle", "markdown"])
def test_a_report_is_told_again_byte_for_byte(form: str, check: Callable[..., str], tmp_path: Path) -> None:
    fresh = check("--no-cache", "--format", form)
    assert not entries(tmp_path)
    first = check("--format", form)
    (entry,) = entries(tmp_path)
    assert fresh == first == check("--format", form)
    assert "TLS 1.0" in fresh
    # What is told the next time really comes from the entry.
    entry.write_text(entry.read_text().replace("TLS 1.0 is accepted", "TLS 0.9 is accepted"))
    assert "TLS 0.9 is accepted" in check("--format", form)


def test_the_text_with_its_excerpts_is_the_same(check: Callable[..., str]) -> None:
    told = [check("--format", "text", "--quiet", *more) for more in (("--no-cache",), (), ())]
    assert told[0] == told[1] == told[2]
    assert "ssl_protocols TLSv1 TLSv1.2;" in told[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "nginx.conf").write_text((tree / "nginx.conf").read_text().replace("TLSv1 ", "")),
        lambda tree: (tree / "sites/60.conf").write_text(SITE.format(number=0, certificate="good")),
        lambda tree: (tree / "sites/00.conf").unlink(),
        lambda tree: (tree / "certificates/leaf-only.pem").unlink(),
        lambda tree: shutil.copy(FIXTURES / "certificates/expired.pem", tree / "certificates/good.pem"),
        lambda tree: (tree / "sites/00.conf").rename(tree / "sites/00.off"),
    ],
    ids=["a line", "a file more", "a file less", "a certificate less", "another certificate", "another name"],
)
def test_any_change_is_seen(change: Callable[[Path], object], tree: Path, check: Callable[..., str]) -> None:
    kept = tree.parent / "kept"
    shutil.copytree(tree, kept, symlinks=True)
    before = check("--format", "concise"), check("--format", "concise")
    try:
        change(tree)
        after = check("--format", "concise")
        assert after == check("--format", "concise", "--no-cache") != before[1]
        assert before[0] == before[1]
    finally:
        for name in os.listdir(tree):
            shutil.rmtree(tree / name) if (tree / name).is_dir() else (tree / name).unlink()
        shutil.copytree(kept, tree, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(kept)
        time.sleep(1.1)


def test_a_change_that_makes_no_difference_leaves_the_report(
    tree: Path, check: Callable[..., str], tmp_path: Path
) -> None:
    site = tree / "sites/30.conf"
    before = site.read_text()
    check("--format", "concise")
    (entry,) = entries(tmp_path)
    entry.write_text(entry.read_text().replace("TLS 1.0 is accepted", "TLS 0.9 is accepted"))
    try:
        for text in (before.replace("    listen", "    root /srv/a;\n    listen"), "# moved\n" + before, before):
            site.write_text(text)
            time.sleep(1.1)
            told = check("--format", "concise")
            assert told == check("--format", "concise")
            assert told == check("--no-cache", "--format", "concise").replace("TLS 1.0 is", "TLS 0.9 is")
            assert "TLS 0.9 is accepted" in told
        site.write_text(before.replace("443", "8443"))
        assert "TLS 0.9 is accepted" not in check("--format", "concise")
    finally:
        site.write_text(before)
        time.sleep(1.1)


def test_a_link_that_leads_to_another_site_is_a_difference(
    tree: Path, check: Callable[..., str], tmp_path: Path
) -> None:
    other, link = tree / "other.conf", tree / "sites/linked.conf"
    other.write_text(SITE.format(number=70, certificate="good"))
    link.symlink_to(other)
    time.sleep(1.1)
    try:
        check("--format", "concise")
        assert entries(tmp_path)
        link.unlink()
        link.symlink_to("00.conf")
        assert check("--format", "concise") == check("--format", "concise", "--no-cache")
    finally:
        link.unlink()
        other.unlink()
        time.sleep(1.1)


def test_a_text_that_cannot_be_parsed_is_told_again(tree: Path, tmp_path: Path) -> None:
    broken = tree / "sites/broken.conf"
    broken.write_text("server {\n    listen 80\n}\n")
    time.sleep(1.1)

    def run(*options: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "nginxtls", "check", ".", "--no-config", "--quiet", *options]
        environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    try:
        first = run()
        assert len(entries(tmp_path)) == 1
        assert first[0] == 2
        assert first == run() == run("--no-cache")
        broken.write_text("server {\n    listen 80;\n}\n")
        assert run() == run("--no-cache") != first
    finally:
        broken.unlink()
        time.sleep(1.1)


def test_texts_beyond_the_limit_are_not_kept(tree: Path, tmp_path: Path) -> None:
    from nginxtls.cache import MOST_BYTES, Cache
    from nginxtls.finding import Report
    from nginxtls.journal import Journal
    from nginxtls.neighbourhood import Sites

    def kept(size: int) -> list[Sites]:
        cache = Cache(str(size), tmp_path / "reports")
        sites = Sites(str(tree / "nginx.conf"), {str(tree / "sites/00.conf"): "#" * size})
        cache.keep(Report((), {}, files=100), Journal(0), Bounds(NOW), [sites])
        return json.loads(cache.path.read_text().splitlines()[0])["sites"]

    assert kept(1000)
    assert not kept(MOST_BYTES)


def test_what_just_changed_is_not_kept(tree: Path, check: Callable[..., str], tmp_path: Path) -> None:
    (tree / "nginx.conf").touch()
    check()
    assert not entries(tmp_path)
    time.sleep(1.1)


def test_other_options_are_another_request(check: Callable[..., str], tmp_path: Path) -> None:
    check("--format", "concise")
    told = check("--format", "concise", "--select", "missing-intermediate")
    assert told.count("\n") == 1
    assert len(entries(tmp_path)) == 2


def test_a_damaged_entry_is_none(check: Callable[..., str], tmp_path: Path) -> None:
    fresh = check("--format", "concise")
    (entry,) = entries(tmp_path)
    whole = json.loads(entry.read_text().splitlines()[0])
    for text in ("", "{", "[]", "{}", json.dumps(whole | {"report": {}}), json.dumps(whole | {"states": 3})):
        entry.write_text(text)
        assert check("--format", "concise") == fresh


def test_what_others_may_write_is_not_trusted(check: Callable[..., str], tmp_path: Path) -> None:
    fresh = check("--format", "concise")
    (entry,) = entries(tmp_path)
    assert entry.stat().st_mode & 0o777 == 0o600
    assert entry.parent.stat().st_mode & 0o777 == 0o700
    entry.write_text(entry.read_text().replace("TLS 1.0 is accepted", "all is well"))
    entry.parent.chmod(0o777)
    assert check("--format", "concise") == fresh
    entry.parent.chmod(0o700)
    entry.chmod(0o666)
    assert check("--format", "concise") == fresh


def test_an_entry_holds_until_a_date_is_reached(check: Callable[..., str], tmp_path: Path) -> None:
    check("--format", "concise")
    (entry,) = entries(tmp_path)
    data = json.loads(entry.read_text().splitlines()[0])
    assert data["since"] <= time.time() < data["until"]
    entry.write_text(json.dumps(data | {"until": time.time() - 1}).replace("TLS 1.0", "TLS 0.9"))
    assert "TLS 0.9" not in check("--format", "concise")


def test_more_entries_than_the_limit_do_not_stay(check: Callable[..., str], tmp_path: Path) -> None:
    from nginxtls.cache import MOST_ENTRIES

    check("--format", "concise")
    (entry,) = entries(tmp_path)
    for number in range(MOST_ENTRIES + 5):
        shutil.copy(entry, entry.with_name(f"{number}.json"))
    check("--format", "concise", "--pedantic")
    assert len(entries(tmp_path)) == MOST_ENTRIES


# -- the moment --------------------------------------------------------------------------------------------------------

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=timezone.utc)
SPANS = st.timedeltas(timedelta(days=-400), timedelta(days=400))
QUESTIONS: list[Callable[[datetime, datetime, timedelta], object]] = [
    lambda at, date, span: date < at,
    lambda at, date, span: date <= at,
    lambda at, date, span: at > date,
    lambda at, date, span: at >= date.replace(microsecond=0),
    lambda at, date, span: date < at.replace(microsecond=0),
    lambda at, date, span: date - at < span,
    lambda at, date, span: at - date >= span,
    lambda at, date, span: date < at + span,
    lambda at, date, span: at - span <= date,
    lambda at, date, span: (date - at).days,
    lambda at, date, span: (at - date).days,
    lambda at, date, span: at.date() > date.date(),
    lambda at, date, span: int((date - at).total_seconds()) // 3600,
    lambda at, date, span: f"{at:%Y-%m-%d %H:%M}",
]


@given(st.lists(st.tuples(st.sampled_from(QUESTIONS), SPANS, SPANS), min_size=1, max_size=6), st.floats(0, 1))
@example([(QUESTIONS[12], timedelta(days=1), timedelta())], 0.5)  # a whole number of seconds, for no longer than now
def test_answers_hold_as_long_as_the_moment_says(
    asked: list[tuple[Callable[[datetime, datetime, timedelta], object], timedelta, timedelta]], part: float
) -> None:
    bounds = Bounds(NOW)
    moment = Moment._at(NOW, bounds, timedelta())
    told = [question(moment, NOW + distance, span) for question, distance, span in asked]
    assert told == [question(NOW, NOW + distance, span) for question, distance, span in asked]
    end = min(bounds.until, NOW + timedelta(days=1000))
    later = NOW + (end - NOW) * part
    if NOW <= later < bounds.until:
        assert told == [question(later, NOW + distance, span) for question, distance, span in asked]
