"""The HTML page in a real browser: what a person sees, filters and opens, and that axe-core finds no fault.

The tests with axe-core need Node.js and a folder ``node_modules`` with axe-core and playwright-core, which the variable
``NGINXTLS_NODE_MODULES`` names; the others need Chromium alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from nginxtls import api
from nginxtls.linting.report import Report
from nginxtls.linting.settings import Settings
from nginxtls.report import Options, renderer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
MODULES = os.environ.get("NGINXTLS_NODE_MODULES", "")
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
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
SITE = """\
# configuration file /etc/nginx/nginx.conf:
events {{}}
http {{
    include /etc/nginx/conf.d/*.conf;
}}

# configuration file /etc/nginx/conf.d/site.conf:
server {{
    listen 443 ssl;
    server_name {name};
    {line}
}}
"""

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
needs_axe = pytest.mark.skipif(
    not (MODULES and CHROMIUM and shutil.which("node")),
    reason="NGINXTLS_NODE_MODULES names no folder with axe-core and playwright-core, or Chromium or Node.js is missing",
)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report on the dumps of three hosts."""
    folder = tmp_path_factory.mktemp("dumps")
    lines = {"web1": "ssl_protocols SSLv3;", "web2": "ssl_ciphers RC4-SHA;", "web3": "ssl_reject_handshake on;"}
    for host, line in lines.items():
        (folder / f"{host}.txt").write_text(SITE.format(name=f"{host}.example.com", line=line))
    at = datetime(2026, 6, 15, tzinfo=timezone.utc)
    return api.report([str(folder)], Settings(nginx_version="1.26.3", openssl_version="3.5.1"), at=at)


# -- without a browser -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [".", "./", "../site"])
def test_the_title_names_the_folder(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/nginx.conf").write_text(SITE.format(name="a.example.com", line=""))
    monkeypatch.chdir(tmp_path / "site")
    page = renderer("html")(api.report([path], Settings()), Options())
    assert re.search(r"<title>TLS report: (\.\./)?site\b", page)


def test_places_of_dumps_are_the_hosts_own(fleet: Report) -> None:
    page = renderer("html")(fleet, Options())
    assert '<span class="host">web2</span> · <span class="mono">/etc/nginx/conf.d/site.conf:4:17</span>' in page
    assert "<title>TLS report: " in page
    assert "(3 hosts): " in page
    for host in ("web1", "web2", "web3"):
        assert f'data-filter="host" data-value="{host}"' in page


def test_clients_are_a_table_with_a_row_for_those_that_get_the_same(fleet: Report) -> None:
    page = renderer("html")(fleet, Options())
    assert '<section id="clients" aria-label="Clients">' in page
    assert '<a href="#clients">Clients</a>' in page
    rows = re.findall(r'<tr data-host="web3">.*', page.partition('<section id="clients"')[2])
    assert len(rows) == 1
    assert "ssl_reject_handshake" in rows[0]
    assert re.search(r">(\d+) of \1</td><td>all</td></tr>", rows[0])


def test_only_the_pages_own_script_may_run(hostile: Report) -> None:
    policy = POLICY.search(renderer("html")(hostile, Options()))
    assert policy
    assert "unsafe" not in policy[1]
    assert policy[1].startswith("default-src 'none'; ")


# -- Chromium ----------------------------------------------------------------------------------------------------------


def opened(page: str, folder: Path, size: str = "1200,900") -> dict[str, int]:
    """What the probe saw on the page once everything on it had run; it may run only without the page's policy."""
    path = folder / "report.html"
    path.write_text(POLICY.sub("", page) + PROBE, encoding="utf-8")
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder}/profile", f"--window-size={size}", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    title = done.stdout.partition("<title>")[2].partition("</title>")[0]
    reported: dict[str, int] = json.loads(title)
    return reported


@needs_chromium
def test_thousands_of_findings_are_filtered(many: Report, tmp_path: Path) -> None:
    reported = opened(renderer("html")(many, Options()), tmp_path)
    assert reported["all"] == 10_000
    assert reported["found"] == 111
    assert reported["noteless"] == 6_666


@needs_chromium
@pytest.mark.parametrize("size", ["500,900", "1200,900"])
def test_it_fits_narrow_windows_and_runs_no_script_of_others(hostile: Report, tmp_path: Path, size: str) -> None:
    told = opened(renderer("html")(hostile, Options(show_suppressed=True)), tmp_path, size)
    assert told["wide"] <= 0
    assert not told["hacked"]
    assert told["scripts"] == 2  # its own and the probe


# -- Chromium with axe-core --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen(fleet: Report, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What browser.mjs saw of the page on the hosts, of one on a host, and of one with a planted fault."""
    folder = tmp_path_factory.mktemp("pages")
    page = renderer("html")(fleet, Options(version="1.0"))
    alone = fleet._replace(
        hosts={}, findings=tuple(f for f in fleet.findings if "web1" in f.location.name), endpoints=fleet.endpoints[:1]
    )
    texts = {
        "hosts": page,
        "host": renderer("html")(alone, Options(version="1.0")),
        "planted": page.replace("<h2 ", '<img src="https://example.com/x.png"><h2 ', 1),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["node", Path(__file__).with_name("browser.mjs"), Path(MODULES).resolve(), CHROMIUM,
         *(folder / f"{name}.html" for name in texts)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(zip(texts, map(json.loads, done.stdout.splitlines()), strict=True))


@needs_axe
def test_axe_finds_nothing(seen: dict[str, Any]) -> None:
    """On wide and narrow screens, light and dark, with an explanation open; a planted image shows that axe ran."""
    assert seen["hosts"]["axe"] == seen["host"]["axe"] == []
    assert {line.partition(":")[0] for line in seen["planted"]["axe"]} == {"critical image-alt"}


@needs_axe
def test_nothing_is_requested_and_nothing_is_refused(seen: dict[str, Any]) -> None:
    for name in ("hosts", "host"):
        assert seen[name]["requests"] == seen[name]["errors"] == []
        assert seen[name]["wide"] <= 0
    assert any("Content Security Policy" in error for error in seen["planted"]["errors"])


@needs_axe
def test_errors_come_first_and_findings_are_grouped_and_filtered(seen: dict[str, Any]) -> None:
    hosts = seen["hosts"]
    severities = hosts["first"]["severities"]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert [title.split()[0] for title in hosts["first"]["groups"]] == ["Errors", "Warnings", "Notes"]
    total = len(severities)
    assert hosts["first"]["count"] == f"{total} of {total}"
    assert sorted(hosts["byRule"]["severities"]) == sorted(severities)
    assert len(hosts["byRule"]["groups"]) == len({title.split()[0] for title in hosts["byRule"]["groups"]}) > 3
    (group,) = hosts["ofRule"]["groups"]
    assert group.split()[0] == hosts["ofRule"]["rule"]
    assert len(hosts["reset"]["severities"]) == total
    assert 0 < len(hosts["ofHost"]["severities"]) < total
    assert hosts["first"]["rows"] == 3
    assert hosts["ofHost"]["rows"] == 1


@needs_axe
def test_the_keyboard_is_enough(seen: dict[str, Any]) -> None:
    for name in ("hosts", "host"):
        assert seen[name]["skip"] == "Skip to the findings"
        assert seen[name]["slash"] == "words"
        assert "Fix: " in seen[name]["why"]


@needs_axe
def test_the_bar_is_above_what_scrolls_under_it_and_not_printed(seen: dict[str, Any]) -> None:
    hosts = seen["hosts"]
    assert hosts["above"]
    assert hosts["printed"] == {"bar": False, "articles": len(hosts["first"]["severities"])}
