"""A change of one site: a report that is kept through it is the one that a run over everything makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nginxtls import api, neighbourhood
from nginxtls.finding import Report
from nginxtls.linter import lint
from nginxtls.neighbourhood import after_change, sites_of
from nginxtls.registry import installed_rules
from nginxtls.settings import Settings
from nginxtls.syntax import LoadedTree

FIXTURES = Path(__file__).parent.parent / "fixtures"
MAIN = "events {{}}\nhttp {{\n{level}\n    include sites/*.conf;\n}}\n"
SITE = """\
server {{
    listen 443 ssl;
    server_name {name};
    root /srv/www/{name};
    ssl_certificate certificates/good.pem;
    ssl_certificate_key certificates/good.key;
}}
server {{
    listen 80;
    server_name {name};
    return 301 https://{name}$request_uri;
}}
"""
NAMED = [f"{a}{b}.api.example.com" for a in "abcde" for b in "lmnopqrstu"]
"""Names that the certificate has, of more sites than can be neighbours for its sake."""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "certificates").symlink_to(FIXTURES / "certificates")
    (tmp_path / "sites").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path.resolve()


def write(tree: Path, sites: list[str], level: str = "") -> None:
    (tree / "nginx.conf").write_text(MAIN.format(level=level))
    for file in (tree / "sites").iterdir():
        file.unlink()
    for number, text in enumerate(sites):
        (tree / f"sites/{number:02}.conf").write_text(text)


def change(tree: Path, texts: dict[int, str], select: tuple[str, ...] = ()) -> tuple[Report | None, Report, int]:
    """What becomes of the report when sites change, what a run over everything says, and how many were looked at."""
    asked = Settings(pedantic=True, select=select)
    reading = api.read(["."], asked)
    kept = lint(reading.subjects, installed_rules(), asked)
    (sites,) = sites_of(reading.subjects)
    paths = [str(tree / f"sites/{number:02}.conf") for number in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        Path(path).write_text(text)
    files = api._files(["."], asked, None)
    subject = api._subjects(asked, None, None, False)
    looked_at = 0

    def look(part: LoadedTree) -> Report:
        nonlocal looked_at
        looked_at = sum("/sites/" in (file.path or "") for file in part.tree.files)
        return lint([subject(part, files)], installed_rules(), asked)

    found = after_change(kept, paths, sites, files, look)
    return found and found[0], api.lint_reading(api.read(["."], asked), asked), looked_at


def told(report: Report) -> object:
    """All of a report, in words and numbers."""
    tables = (report.findings, report.suppressed, report.not_checked, report.failures)
    counts = (len(report.endpoints), report.files, report.servers, report.certificates)
    return [*counts, *(neighbourhood._plain(row) for rows in tables for row in rows)]


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: "# another release\n\n" + text,
        lambda text: text.replace("/srv/www/", "/srv/releases/7/"),
        lambda text: text.replace("    root", "    add_header X-A b;\n    root"),
        lambda text: text.replace("    return 301", "    access_log off;\n    return 301"),
    ],
    ids=["a comment", "another root", "a header more", "a line more"],
)
def test_the_report_outlives_what_makes_no_difference(edit: Callable[[str], str], tree: Path) -> None:
    sites = [SITE.format(name=name) for name in NAMED]
    write(tree, sites, "ssl_protocols TLSv1.1 TLSv1.2;")
    found, everything, looked_at = change(tree, {12: edit(sites[12]), 33: f"# moved\n{sites[33]}"})
    assert found is not None
    assert looked_at < len(sites)
    assert told(found) == told(everything)
    assert any(f.location.name == "sites/12.conf" for f in everything.findings)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("bn.api", "other.api"),
        lambda text: text.replace("server_name bn.", "server_name co."),
        lambda text: text.replace("good.pem", "expired.pem"),
        lambda text: text.replace("listen 443 ssl;", "listen 443 ssl default_server;"),
        lambda text: text.replace("return 301 https://bn.api.example.com$request_uri", "return 200"),
        lambda text: text.replace("root /srv/www/bn.api.example.com", "root certificates"),
        lambda text: text.replace("    root", "    ssl_protocols TLSv1.3;\n    root"),
        lambda text: text.replace("    root", "    ssl_verify_client optional;\n    root"),
        lambda text: text + text.replace("bn.", "bn2."),
        lambda text: text.partition("}\n")[0] + "}\n",
        lambda text: text.replace("}\n", "", 1),
        lambda text: text.replace("    root", "    include sites/00.conf;\n    root"),
        lambda text: "map $host $x { default 1; }\n" + text,
        lambda text: text.replace("bn.api.example.com;", "*.api.example.com;", 1),
    ],
    ids=[
        "another name",
        "another's name", "another certificate", "the default", "no redirect", "a root with the keys in it",
        "other protocols", "client certificates", "servers more", "a server less", "a block not closed", "an include",
        "no server block", "a wildcard",
    ],
)  # fmt: skip
def test_what_may_make_a_difference_is_looked_at_anew(edit: Callable[[str], str], tree: Path) -> None:
    sites = [SITE.format(name=name) for name in NAMED]
    write(tree, sites)
    text = edit(sites[12])
    assert text != sites[12]
    found, everything, _ = change(tree, {12: text})
    assert found is None or told(found) == told(everything)


def test_what_the_first_server_of_a_socket_decides_for_all_others_is_seen(tree: Path) -> None:
    own = "    ssl_session_tickets off;\n    root"
    sites = [SITE.format(name=name).replace("    root", own, 1) for name in NAMED]
    write(tree, sites)
    found, everything, looked_at = change(tree, {0: sites[0].replace("tickets off", "tickets on")})
    assert 1 < looked_at < len(sites)
    assert found is None
    assert sum(f.message.startswith("session tickets differ") for f in everything.findings) == len(sites) - 1


def test_so_much_is_searched_and_no_more(tree: Path) -> None:
    sites = [SITE.format(name=name) for name in NAMED]
    write(tree, sites)
    texts = {12: sites[12].replace("/srv/www/", "/srv/releases/7/")}
    with patch.object(neighbourhood, "MOST_SEARCHED", 20 * len("".join(sites))):
        assert change(tree, texts)[0] is not None
        more = "".join(f"    deny 10.0.0.{number};\n" for number in range(20))
        found, everything, looked_at = change(tree, {12: sites[12].replace("    root", f"{more}    root", 1)})
    assert (found, looked_at) == (None, 0)
    assert everything.findings


def test_a_site_whose_name_another_takes_is_looked_at(tree: Path) -> None:
    write(tree, [SITE.format(name=name) for name in NAMED])
    text = SITE.format(name=NAMED[10]).replace("server_name", f"server_name {NAMED[40]}", 1)
    found, everything, looked_at = change(tree, {10: text}, select=("conflicting-server-name",))
    assert 1 < looked_at < len(NAMED)
    assert found is None
    assert [finding.location.name for finding in everything.findings] == ["sites/40.conf"]


LISTENS = (
    "listen 443 ssl;",
    "listen 443 ssl;",
    "listen [::]:443 ssl;",
    "listen 8443 ssl default_server;",
    "listen 80;",
)
NAMES = (
    "a.example.com",
    "b.example.com",
    "*.example.com",
    ".example.net",
    r"~^s\d\.example\.net$",
    "s1.example.net",
    "",
)
LINES = (
    "ssl_protocols TLSv1 TLSv1.2;", "ssl_ciphers HIGH:!aNULL;", "ssl_session_tickets on;", "ssl_session_cache off;",
    "ssl_early_data on;", "ssl_stapling on;", "ssl_reject_handshake on;", "ssl_verify_client optional_no_ca;",
    "ssl_session_cache shared:SSL:10m;", "add_header Strict-Transport-Security 'max-age=300';", "root certificates;",
    "return 301 https://$host$request_uri;", "return 301 https://s1.example.net$request_uri;", "index a.html;",
    "location / { proxy_pass https://10.0.0.2; proxy_ssl_verify off; }", "# nginxtls: ignore[no-hsts]",
    "location /b { proxy_pass https://OWN_app; }", "location /c { proxy_pass https://s1.example.net_app; }",
    "location /a { return 301 http://b.example.com/; }", "location / { add_header X-A b; }", "resolver 8.8.8.8;",
)  # fmt: skip
SERVER = st.tuples(
    st.lists(st.sampled_from(LISTENS), min_size=1, max_size=2, unique=True),
    st.just(["OWN"]) | st.lists(st.sampled_from(("OWN", *NAMES)), min_size=1, max_size=2, unique=True),
    st.sampled_from(["good", "good", "good", "leaf-only", "good-rsa", ""]),
    st.lists(st.sampled_from(LINES), max_size=3, unique=True),
)
Server = tuple[list[str], list[str], str, list[str]]
ACROSS_FILES = (
    "conflicting-server-name", "unreachable-server", "missing-redirect", "serves-anothers-certificate",
    "dead-settings-without-certificate", "key-in-web-root", "missing-on-ipv6", "plain-http-on-tls-port",
)  # fmt: skip
"""Rules for which one site has to do with others; alone, so that nothing else that a change does hides it."""


def site(servers: Sequence[Server], own: str) -> str:
    text = "upstream OWN_app {\n    server 10.0.0.9:443;\n}\n" if len(servers) > 1 else ""
    for listens, names, certificate, lines in servers:
        found = [*listens, f"server_name {' '.join(name or '_' for name in names)};", *lines]
        if certificate:
            key = certificate if certificate == "good-rsa" else "good"
            found += [
                f"ssl_certificate certificates/{certificate}.pem;",
                f"ssl_certificate_key certificates/{key}.key;",
            ]
        text += "server {\n" + "".join(f"    {line}\n" for line in found) + "}\n"
    return text.replace("OWN", own)


@settings(max_examples=100, deadline=None, suppress_health_check=[*HealthCheck])
@given(
    kinds=st.lists(st.lists(SERVER, min_size=1, max_size=2), min_size=1, max_size=3),
    chosen=st.lists(st.integers(0, 2), min_size=4, max_size=12),
    level=st.sampled_from(
        ["", LINES[0], LINES[8], "server { listen 443 ssl default_server; ssl_reject_handshake on; }"]
    ),
    changes=st.dictionaries(
        st.integers(0, 11),
        st.tuples(SERVER, st.sets(st.integers(0, 3), min_size=1, max_size=2)),
        min_size=1,
        max_size=2,
    ),
    rules=st.sampled_from([(), *((rule,) for rule in ACROSS_FILES)]),
)
def test_a_kept_report_is_that_of_a_run_over_everything(
    kinds: list[list[Server]],
    chosen: list[int],
    level: str,
    changes: dict[int, tuple[Server, set[int]]],
    rules: tuple[str, ...],
    tree: Path,
) -> None:
    sites = [kinds[each % len(kinds)] for each in chosen]
    write(tree, [site(servers, f"s{number}.example.net") for number, servers in enumerate(sites)], level)
    texts = {}
    for number, (other, fields) in changes.items():
        first, *more = sites[number % len(sites)]
        changed: Any = tuple(other[field] if field in fields else first[field] for field in range(4))
        texts[number % len(sites)] = site([changed, *more], f"s{number % len(sites)}.example.net")
    # With so few sites, what several have in common is rare in none.
    with patch.object(neighbourhood, "RARE", 2), patch.object(neighbourhood, "MOST", 1000):
        found, everything, _ = change(tree, texts, rules)
    assert found is None or told(found) == told(everything)


def test_a_text_with_a_key_in_it_is_not_kept(tree: Path) -> None:
    key = (FIXTURES / "certificates/good.key").read_text()
    inline = SITE.format(name="example.com").replace("certificates/good.key", f'"data:{key}"')
    write(tree, [SITE.format(name="www.example.com"), inline])
    (sites,) = sites_of(api.read(["."], Settings()).subjects)
    assert [*sites.texts] == [str(tree / "sites/00.conf")]


def test_a_configuration_inside_another_file_has_no_sites(tree: Path) -> None:
    """Its sites stand in files, but what includes them does not: it cannot be read again by its path."""
    write(tree, [SITE.format(name=name) for name in NAMED])
    indented = "".join(f"    {line}\n" for line in (tree / "nginx.conf").read_text().splitlines())
    (tree / "deploy.yaml").write_text(f"kind: ConfigMap\ndata:\n  nginx.conf: |\n{indented}")
    (tree / "nginx.conf").unlink()
    subjects = api.read(["."], Settings()).subjects
    assert any(subject.configuration.kind == "full" and len(subject.configuration.servers) > 1 for subject in subjects)
    assert not sites_of(subjects)
