"""``nginxtls fleet``, its queries and its overview, as a person uses them."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nginxtls.base.errors import UsageError
from nginxtls.fleet.hosts import read_hosts
from nginxtls.fleet.queries import FORMS, queries
from nginxtls.fleet.sources import Item, find_items
from nginxtls.fleet.tables import TABLES

DOCS = Path(__file__).parents[2] / "docs/fleet.md"


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nginxtls", "fleet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def dump(body: str) -> str:
    return f"# configuration file /etc/nginx/nginx.conf:\nevents {{}}\nhttp {{\n{body}\n}}\n"


def test_a_first_and_a_second_run(tmp_path: Path) -> None:
    """Scan, look, change, scan again: the overview says what changed."""
    hosts = tmp_path / "hosts"
    hosts.mkdir()
    (hosts / "one.txt").write_text(dump("server { listen 443 ssl; server_name one.test; ssl_protocols TLSv1.2; }"))
    (hosts / "<img src=x onerror=alert(1)>|.txt").write_text(dump("server { listen 443 ssl; server_name a.test; }"))
    out = tmp_path / "out"
    first = run(hosts, "--output", out, "--at", "2026-11-28")
    assert first.stdout == f"2 items: run 20261128T000000Z in {out}\n"
    assert first.stderr == ""
    (hosts / "one.txt").write_text(
        dump("server { listen 443 ssl; server_name one.test; ssl_protocols TLSv1 TLSv1.2; }")
    )
    run(hosts, "--output", out, "--at", "2026-11-29")
    new = json.loads(run("query", out, "new", "--format", "json").stdout)
    assert {(row["host"], row["rule"]) for row in new} >= {("one", "unreachable-protocol")}
    assert run("report", out).stdout == f"{out}/report.html\n"
    page = (out / "report.html").read_text()
    assert "Since the run before" in page
    assert "unreachable-protocol" in page
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    text = run("report", out, "--format", "markdown", "--output", "-").stdout
    assert "<img" not in text
    assert "| new |" in text


def test_the_page_can_search_every_host(scanned: Path, planted: Any) -> None:
    """The first rows are HTML, the others data of the script, which shows and searches them."""
    run("report", scanned)
    page = (scanned / "report.html").read_text()
    hosts = page.partition('<section id="hosts">')[2].partition("</section>")[0]
    data = json.loads(hosts.partition('<script type="application/json">')[2].partition("</script>")[0])
    first = re.findall(r'<td data-name="host">(\w+)</td>', hosts)
    assert sorted([*first, *(row[0] for row in data)]) == sorted(item.stem for item in find_items(str(planted.root)))
    assert len(first) == 20
    assert f"and {planted.hosts - 20} more: all are in <code>nginxtls fleet query DIR worst-hosts</code>" in hosts
    assert 'data-beyond="0"' in hosts


def test_a_host_cannot_end_the_data_of_the_script(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.mkdir()
    rows = ["host,item"]
    for number in range(25):
        (hosts / f"{number:02}.txt").write_text(dump("server { listen 443 ssl; }"))
        rows.append(f"{number:02}</script><!--,{number:02}.txt")
    (tmp_path / "hosts.csv").write_text("\n".join(rows))
    out = tmp_path / "out"
    run(hosts, "--output", out, "--inventory", tmp_path / "hosts.csv")
    run("report", out)
    page = (out / "report.html").read_text()
    assert page.count("<!--") == 0
    assert page.count("</script>") == 2
    assert r'"24\u003c/script>\u003c!--"' in page


def test_a_full_disk_and_a_damaged_table_are_one_message(planted: Any, tmp_path: Path) -> None:
    """Of a worker that cannot write, too."""
    limited = f"ulimit -f 8; exec {sys.executable} -m nginxtls fleet {planted.root} --output {tmp_path}/out --workers 1"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, f"error: --output {tmp_path}/out: cannot be written: File too large\n")
    (tmp_path / "one").mkdir()
    (tmp_path / "one/a.txt").write_text(dump("server { listen 443 ssl; }"))
    run(tmp_path / "one", "--output", tmp_path / "other")
    next((tmp_path / "other/items").glob("*/*.parquet")).write_bytes(b"")
    for command in ("report", "query"):
        words = ["rules"] if command == "query" else []
        assert "has a table that cannot be read: " in run(command, tmp_path / "other", *words, code=2).stderr


@pytest.mark.parametrize("name", queries())
def test_each_named_query_runs(scanned: Path, name: str) -> None:
    assert re.search(r"\d rows?$", run("query", scanned, name).stdout.strip())


def test_queries_read_the_tables_alone(scanned: Path, tmp_path: Path) -> None:
    for sql in (
        "SELECT * FROM read_text('/etc/hostname')",
        f"COPY items TO '{tmp_path}/copy.csv'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ):
        assert run("query", scanned, sql, code=2).stderr.startswith("error: the query: ")
    assert not list(tmp_path.iterdir())


def test_one_message_for_bad_input(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    (tmp_path / "one/a.txt").write_text(dump(""))
    (tmp_path / "bad.csv").write_text("host,colour\na,red\n")
    (tmp_path / "nohost.yaml").write_text("- {team: web}\n")
    inventories = {
        "broken.yaml": ("- host: a\n  b: [", "broken.yaml, line 2: is not YAML: "),
        "aliases.yaml": ("- &a {host: a, team: [*a]}", "aliases.yaml, line 1: is not YAML: aliases are not allowed"),
        "list.yaml": ("- {host: a, nginx: [1.20.1]}", "row 1: has something else than a text as nginx"),
        "column.csv": ("host,team,team\na,b,c", "has the column team twice"),
        "values.csv": ("host,team\na,b\nc,d,e", "line 3: has 3 values for 2 columns"),
        "twice.csv": ("host,team\na,b\nc,d\na,c", "row 3: is for a, as row 1 is"),
        "version.csv": ("host,nginx\na,banana", "row 1: 'banana' is not an nginx version"),
        "empty.csv": ("", "has no rows"),
        "binary.csv": ("host\n\udcff", "is not UTF-8 text"),
    }
    for name, (text, _) in inventories.items():
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    one, out = tmp_path / "one", tmp_path / "out"
    cases: list[tuple[list[object], str]] = [
        ([tmp_path / "none", "--output", out], "does not exist"),
        ([tmp_path / "empty", "--output", out], "contains no item"),
        ([one], "--output: is missing"),
        ([one, "--output", out, "--inventory", tmp_path / "bad.csv"], "row 1: has the unknown column colour"),
        ([one, "--output", out, "--inventory", tmp_path / "nohost.yaml"], "row 1: has no host"),
        *(([one, "--output", out, "--inventory", tmp_path / name], words) for name, (_, words) in inventories.items()),
        ([one, "--output", out, "--nginx-version", "auto"], "would be that of this machine"),
        ([one, "--output", out, "--host-pattern", "x.txt"], "names no {host}"),
        (["nosuch://bucket/x", "--output", out], "cannot be listed"),
        ([one, "--output", out, "--trust", tmp_path / "missing.pem"], "missing.pem: there is no such file"),
        (["report", tmp_path / "empty"], "has no complete run"),
        (["query", tmp_path / "empty", "hosts"], "has no complete run"),
        ([one, "--output", "/proc/none"], "cannot be written"),
    ]
    for arguments, words in cases:
        error = run(*arguments, code=2).stderr
        assert words in error
        assert error.startswith("error: ")


def test_hosts_by_inventory_and_pattern(tmp_path: Path) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text("- {host: a, team: web, nginx: 1.26.3}\n- {host: b, item: 'old/*.txt', team: shop}\n")
    hosts = read_hosts(str(file), "{team}/{host}.txt")

    def of(name: str) -> tuple[str, str, str, bool]:
        host = hosts.of(Item(name, name, is_folder=False, size=0))
        return host.name, host.team, host.nginx, host.listed

    assert of("a.txt") == ("a", "web", "1.26.3", True)
    assert of("old/x.txt") == ("b", "shop", "", True)
    assert of("maps/c.txt") == ("c", "maps", "", False)
    assert of("maps/a.txt") == ("a", "web", "1.26.3", True)
    assert of("d.tar.gz") == ("d", "", "", False)
    with pytest.raises(UsageError):
        read_hosts("", "{host}/{host}")


def test_an_inventory_of_a_spreadsheet_and_hosts_without_an_item(tmp_path: Path) -> None:
    """A byte order mark and blanks do not matter; hosts that left nothing are named."""
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts/a.txt").write_text(dump("server { listen 443 ssl; }"))
    (tmp_path / "hosts.csv").write_text("\ufeffhost, team\r\na, web\r\n\r\nb,shop\r\n")
    done = run(tmp_path / "hosts", "--output", tmp_path / "out", "--inventory", tmp_path / "hosts.csv")
    assert done.stdout.startswith("1 item: run ")
    assert done.stderr == "no item for 1 host of the inventory: b\n"
    found = run("query", tmp_path / "out", "SELECT host, team FROM items", "--format", "csv").stdout
    assert found == "host,team\na,web\n"


def test_an_interrupt_leaves_the_run_and_nothing_else(planted: Any, tmp_path: Path) -> None:
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "nginxtls", "fleet", planted.root, "--output", out, "--workers", "1"]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        while not list(out.glob("items/*/part*")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    assert (process.returncode, error) == (130, "interrupted: the same command continues the run\n")
    assert list(scratch.iterdir()) == []
    assert re.match(r"240 items, \d+ of them before the interruption: ", run(planted.root, "--output", out).stdout)


def test_sources(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    for name in ("web/a.txt", "web/b.tgz", ".hidden"):
        (tmp_path / name).write_text("")
    (tmp_path / "list").write_text("# hosts\nweb/a.txt\n\nweb/none.txt\n")

    def names(source: str) -> list[tuple[str, bool]]:
        return [(item.name, bool(item.refused)) for item in find_items(source)]

    assert names(str(tmp_path / "web")) == [("a.txt", False), ("b.tgz", False)]
    assert names(f"file://{tmp_path}/web") == [("a.txt", False), ("b.tgz", False)]
    assert names(str(tmp_path / "w*/*.txt")) == [("web/a.txt", False)]
    assert names(f"@{tmp_path}/list") == [("web/a.txt", False), ("web/none.txt", True)]
    assert names(str(tmp_path / "web/a.txt")) == [("a.txt", False)]


def test_columns_are_documented() -> None:
    """docs/fleet.md describes each column of each table, and no other."""
    text = DOCS.read_text()
    for table, columns in TABLES.items():
        section = text.partition(f"### `{table}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [*columns], table


def test_queries_are_documented() -> None:
    section = DOCS.read_text().partition("## Queries\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE) == [*queries()]


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['distributed'] = None; sys.argv = ['nginxtls', 'fleet', 'x', '--output', 'y'];"
        "from nginxtls.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, "nginxtls[fleet]" in done.stderr) == (2, True)


def test_check_imports_nothing_of_the_fleet(planted: Any) -> None:
    script = (
        "import sys, nginxtls; nginxtls.check(sys.argv[1]);"
        "assert not {'distributed', 'dask', 'pyarrow', 'duckdb', 'fsspec'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, planted.root], check=True)


HOSTILE = "##vso[task.x]\x1b[31m\n::error::y"


def test_hostile_names_in_every_format(tmp_path: Path) -> None:
    """Each format is valid and inert, and has no key that a name or a certificate has."""
    hosts = tmp_path / "hosts"
    hosts.mkdir()
    pem = "-----BEGIN PRIVATE KEY-----"
    secret = base64.b64encode(bytes.fromhex("308187020100") + bytes(range(90))).decode().replace("/", "+")
    site = "server { listen 443 ssl; ssl_protocols TLSv1; server_name x.test; }"
    for name in (HOSTILE, f"{pem}{secret}", "=cmd", "\udcff"):
        (hosts / f"{name}.txt").write_text(dump(site))
    other = hosts / f"{pem}{secret}"
    other.mkdir()
    (other / "nginx.conf").write_text(f'events {{}} http {{ {site} include "{pem}{secret}.conf"; }}')
    (other / f"{pem}{secret}.conf").write_text("server {")
    (tmp_path / "list").write_text(f"{secret}\n{pem}{secret}\n{hosts}/=cmd.txt\n")
    (tmp_path / "hosts.csv").write_text(f'host,team,item\n"{secret}",{secret},=cmd.txt\n')
    for number, source in enumerate((hosts, f"@{tmp_path}/list")):
        out = tmp_path / f"out{number}"
        printed = [run(source, "--output", out, "--workers", "1", "--inventory", tmp_path / "hosts.csv").stdout]
        for table in TABLES:
            found = [run("query", out, f"SELECT * FROM {table}", "--format", form).stdout for form in FORMS]
            columns = json.loads(found[1])[:1]
            assert not columns or list(columns[0]) == list(TABLES[table])
            printed += found
        renamed = "PIVOT (SELECT item, 1 AS one FROM items) ON item USING count(one)"
        printed += [run("query", out, renamed, "--format", form).stdout for form in FORMS]
        printed += [run("report", out, "--format", form, "--output", "-").stdout for form in ("html", "markdown")]
        printed += [file.read_text() for file in (out / "runs").iterdir()]
        for text in printed:
            assert not [start for start in range(0, 100, 10) if secret[start : start + 16] in text]
            assert not re.search(r"^\s*::|##\w*\[|[\x00-\x09\x0b-\x1f\x7f-\x9f]|^=|,=", text, re.MULTILINE)


def test_a_root_is_in_the_item(tmp_path: Path) -> None:
    """Neither a link of the item nor the inventory leads out of it."""
    outside = tmp_path / "outside"
    (tmp_path / "hosts/a/inner/etc/nginx").mkdir(parents=True)
    for folder in (outside, tmp_path / "hosts/a/inner/etc/nginx"):
        folder.mkdir(exist_ok=True)
        (folder / "nginx.conf").write_text("events {} http { server { listen 443 ssl; server_name a; } }")
    for host, link in (("b", outside), ("c", Path("sub"))):
        (tmp_path / "hosts" / host / "sub").mkdir(parents=True)
        (tmp_path / "hosts" / host / "sub/nginx.conf").write_text("events {} http { server { listen 443 ssl; } }")
        (tmp_path / "hosts" / host / "rootfs").symlink_to(link)
    (tmp_path / "hosts/d").mkdir()
    rows = ["host,root", "a,inner", "b,rootfs", "c,rootfs", "d,../../outside"]
    (tmp_path / "hosts.csv").write_text("\n".join(rows))
    out = tmp_path / "out"
    run(tmp_path / "hosts", "--output", out, "--workers", "1", "--inventory", tmp_path / "hosts.csv")
    found = json.loads(run("query", out, "SELECT host, status FROM items", "--format", "json").stdout)
    assert {row["host"]: row["status"] for row in found} == {
        "a": "checked", "b": "failed", "c": "checked", "d": "failed"
    }  # fmt: skip
