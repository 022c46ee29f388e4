"""Versions: a stated range where none is known, detection that runs nothing, packages, keys that could not be read."""

from __future__ import annotations

import gzip
import json
import sqlite3
import struct
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from nginxtls import check, detection
from nginxtls.detection import Versions
from nginxtls.finding import Confidence, Severity
from nginxtls.model.builds import BOUNDARIES, group, in_question, table
from nginxtls.model.facts import Provenance
from nginxtls.model.packages import installed_nginx
from nginxtls.model.versions import NginxVersion, distribution_package
from nginxtls.report import BUILT_IN, Options, renderer
from nginxtls.syntax import files
from nginxtls.tls import OpenSSL
from nginxtls.tls.openssl import GENERATIONS

CERTIFICATES = Path(__file__).parents[1] / "fixtures" / "certificates"

DEFAULT_DECIDES = """\
events {{}}
http {{
    server {{
        listen 443 ssl default_server;
        server_name _;
        ssl_certificate {folder}/good.pem;
        ssl_certificate_key {folder}/good.key;
    }}
    server {{
        listen 443 ssl;
        server_name shop.example.com;
        ssl_certificate {folder}/good.pem;
        ssl_certificate_key {folder}/good.key;
        ssl_protocols TLSv1.3;
        add_header Strict-Transport-Security "max-age=63072000" always;
    }}
}}
"""
UNREAD = """\
events {{}}
http {{
    server {{
        listen 443 ssl;
        server_name shop.example.com;
        ssl_certificate /nowhere/shop.pem;
        ssl_certificate_key /nowhere/shop.key;
        ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
        ssl_ciphers {ciphers};
    }}
}}
"""
FLAWED = """\
events {}
stream {
    server {
        listen 8443;
        ssl_preread on;
        proxy_pass 127.0.0.1:9443;
    }
}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "nginx.conf"
    file.write_text(DEFAULT_DECIDES.format(folder=CERTIFICATES))
    return file


def write(folder: Path, path: str, text: str | bytes) -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


# -- the range ---------------------------------------------------------------------------------------------------------


def test_what_older_builds_ignore_is_a_note_at_the_default_server_that_names_them(site: Path) -> None:
    (finding,) = [f for f in check(site).findings if f.rule == "ignored-protocols"]
    assert (finding.severity, finding.confidence) == (Severity.NOTE, Confidence.LIKELY)
    assert finding.message.endswith("(nginx 1.28.3 and older)")
    assert any("Debian 12" in note for note in finding.notes)


@pytest.mark.parametrize(("nginx", "openssl", "found"), [("1.22.1", "3.0.20", True), ("1.30.6", "3.5.9", False)])
def test_a_known_version_is_not_hedged(site: Path, nginx: str, openssl: str, found: bool) -> None:
    findings = [
        f for f in check(site, nginx_version=nginx, openssl_version=openssl).findings if f.rule == "ignored-protocols"
    ]
    assert [(f.confidence, "older" in f.message) for f in findings] == [(Confidence.CERTAIN, False)] * found


def test_a_hedged_fault_is_found_by_each_build_that_it_names_and_by_no_other(site: Path) -> None:
    found = {
        str(build.nginx): any(
            f.rule == "ignored-protocols"
            for f in check(site, nginx_version=str(build.nginx), openssl_version=str(build.openssl)).findings
        )
        for build in table()
    }
    assert {nginx for nginx, having in found.items() if having} == {
        nginx for nginx in found if NginxVersion.parse(nginx) <= NginxVersion((1, 28, 3))
    }


def test_an_error_of_some_builds_is_a_warning_at_most(tmp_path: Path) -> None:
    file = write(tmp_path, "nginx.conf", UNREAD.format(ciphers="HIGH:!aNULL:!MD5:!kRSA"))
    (finding,) = [f for f in check(file).findings if f.rule == "legacy-protocol"]
    assert finding.severity is Severity.WARNING
    assert finding.message.endswith("(OpenSSL 1.1.1)")


CIPHERS = """\
events {{}}
http {{
    server {{
        listen 443 ssl;
        server_name a.example.com;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate /etc/nginx/a.pem;
        ssl_certificate_key /etc/nginx/a.key;
        ssl_ciphers {};
    }}
}}
"""
WEAK = ("rc4-cipher", "sweet32-cipher", "export-cipher", "null-cipher", "anonymous-cipher")


@pytest.mark.parametrize(
    ("ciphers", "found"),
    [
        ("ECDHE+AESGCM:DES-CBC3-SHA", {"sweet32-cipher"}),
        ("ECDHE+AESGCM:MEDIUM:!aNULL", {"sweet32-cipher"}),
        ("ECDHE+AESGCM:RC4-SHA", set()),  # that of RHEL 8 serves it below level 2
        ("ECDHE+AESGCM:RC4-SHA@SECLEVEL=1", {"rc4-cipher"}),
        ("ECDHE+AESGCM:DES-CBC-SHA:EXP-RC4-MD5:NULL-SHA:ADH-AES128-SHA", set()),
        ("HIGH:!aNULL", set()),
    ],
)
def test_ciphers_that_openssl_lacks_are_reported_for_the_build_that_has_them(
    ciphers: str, found: set[str], tmp_path: Path
) -> None:
    """No supported build but RHEL 8's has RC4 and 3DES (measured on four generations; its openssl.spec)."""
    findings = [f for f in check(write(tmp_path, "nginx.conf", CIPHERS.format(ciphers))).findings if f.rule in WEAK]
    assert {f.rule for f in findings} == found
    for finding in findings:
        assert finding.severity is Severity.WARNING
        assert finding.message.endswith("(OpenSSL 1.1.1 on RHEL 8)")


@pytest.mark.parametrize(("openssl", "found"), [("1.1.1k", False), ("1.1.1k-fips", True), ("3.5.1", False)])
def test_the_openssl_of_rhel_8_has_ciphers_that_others_lack(openssl: str, found: bool, tmp_path: Path) -> None:
    file = write(tmp_path, "nginx.conf", CIPHERS.format("ECDHE+AESGCM:DES-CBC3-SHA"))
    findings = check(file, nginx_version="1.24.0", openssl_version=openssl).findings
    assert ("sweet32-cipher" in {f.rule for f in findings}) is found
    assert ("removed-cipher" in {f.rule for f in findings}) is not found


BRANCHES = """\
server {
    listen 443 ssl;
    server_name {{ host }};
    ssl_certificate /etc/nginx/a.pem;
    ssl_certificate_key /etc/nginx/a.key;
{% if old %}
    ssl_protocols TLSv1.1 TLSv1.2;
    ssl_session_timeout 1h;
{% else %}
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
    ssl_session_timeout 2h;
{% endif %}
}
"""


def test_every_branch_of_a_template_is_looked_at_in_each_build(tmp_path: Path) -> None:
    findings = check(write(tmp_path, "site.conf.j2", BRANCHES)).findings
    legacy = [(f.location.span.line, f.message) for f in findings if f.rule == "legacy-protocol"]
    assert legacy == [
        (7, "TLS 1.1 is accepted (OpenSSL 1.1.1)"),
        (10, "TLS 1.0 and TLS 1.1 are accepted (OpenSSL 1.1.1)"),
    ]
    assert [f.location.span.line for f in findings if f.rule == "unreachable-protocol"] == [7, 10]


def test_a_line_outside_of_the_branches_is_reported_once(tmp_path: Path) -> None:
    head, _, branches = BRANCHES.partition("{% if")
    branches = branches.replace("    ssl_protocols TLSv1.1 TLSv1.2;\n", "").replace(
        "ssl_protocols", "ssl_buffer_size 4k; #"
    )
    text = f"{head}    ssl_protocols TLSv1.1 TLSv1.2;\n{{% if{branches}"
    findings = check(write(tmp_path, "site.conf.j2", text)).findings
    assert [f.message for f in findings if f.rule == "legacy-protocol"] == ["TLS 1.1 is accepted (OpenSSL 1.1.1)"]


def test_one_cause_is_one_finding_over_all_builds_that_have_it(tmp_path: Path) -> None:
    """OpenSSL 3.5 gives up at the default server, 3.0 at each server: either way no version is left."""
    text = CIPHERS.format("HIGH:!aNULL:!kRSA").replace("TLSv1.2 TLSv1.3", "TLSv1 TLSv1.1")
    findings = check(write(tmp_path, "nginx.conf", text)).findings
    (finding,) = [f for f in findings if f.rule in ("dead-protocols", "dead-default-server")]
    assert finding.message.endswith("at security level 2 (OpenSSL 3.0 and newer)")


@pytest.mark.parametrize("text", ["ssl_protocols TLSv1;\n", "ssl_protocols TLSv1;\nssl_ciphers HIGH:!aNULL;\n"])
def test_a_snippet_with_dead_protocols(text: str, tmp_path: Path) -> None:
    findings = check(write(tmp_path, "snippets/ssl.conf", text)).findings
    assert [f.message for f in findings if f.rule == "dead-protocols"] == [
        "every handshake fails: OpenSSL does not serve TLS 1.0, all that is enabled, at security level 2"
        " (OpenSSL 3.0 and newer)"
    ]
    assert "unreachable-protocol" not in {f.rule for f in findings}


def test_what_no_build_serves_is_not_reported(tmp_path: Path) -> None:
    """With an EC key OpenSSL 1.1.1 signs nothing for TLS 1.1 at level 2, and 3.0 has no TLS 1.1 there."""
    for name in ("good.pem", "good.key"):
        (tmp_path / name).write_bytes((CERTIFICATES / name).read_bytes())
    text = CIPHERS.format("HIGH:!aNULL").replace("TLSv1.2 TLSv1.3", "TLSv1.1 TLSv1.2").replace("/etc/nginx/a", "good")
    assert "legacy-protocol" not in {f.rule for f in check(write(tmp_path, "nginx.conf", text)).findings}


def test_a_name_that_openssl_knows_without_the_suite_is_not_excluded_by_a_word(tmp_path: Path) -> None:
    """From 1.1.1 on EDH-RSA-DES-CBC3-SHA is another name of a suite that only RHEL 8's build has."""
    file = write(tmp_path, "nginx.conf", CIPHERS.format("ECDHE+AESGCM:EDH-RSA-DES-CBC3-SHA"))
    found = {f.rule: f.message for f in check(file).findings}
    assert "excluded-cipher" not in found
    assert "EDH-RSA-DES-CBC3-SHA" in found["removed-cipher"]


def test_directives_rule_out_the_builds_that_lack_them(tmp_path: Path) -> None:
    text = "events {} http { http2 on; server { listen 443 ssl; server_name a.example.com; } }"
    report = check(write(tmp_path, "nginx.conf", text))
    (versions,) = report.versions
    assert "http2 needs nginx 1.25.1" in versions.text
    assert min(NginxVersion.parse(nginx) for nginx, _, _ in versions.builds) >= NginxVersion((1, 25, 1))
    assert not [f for f in report.findings if f.rule == "directive-newer-than-nginx"]


def test_help_names_the_version_that_its_directive_needs(tmp_path: Path) -> None:
    text = "events {} http { server { listen 443 ssl http2; server_name a.example.com; } }"
    findings = [f for f in check(write(tmp_path, "nginx.conf", text)).findings if "http2 on" in f.help]
    assert findings
    assert all("http2 needs nginx 1.25.1 or later" in finding.help for finding in findings)


def test_the_endpoints_table_says_what_the_findings_say(site: Path) -> None:
    (row,) = [row for row in check(site).endpoints if row.name == "shop.example.com"]
    served = {protocols: part for part, protocols in row.differing}
    assert served[("TLSv1.3",)] == "nginx 1.30.6 and newer"


@pytest.mark.parametrize("form", BUILT_IN)
def test_each_format_says_which_versions_it_is_for(form: str, site: Path) -> None:
    text = renderer(form)(check(site), Options())
    assert "nginx 1.18.0 to 1.31.6" in text
    known = renderer(form)(check(site, nginx_version="1.22.1", openssl_version="3.0.20"), Options())
    assert "nginx 1.22.1, OpenSSL 3.0.20: given" in known


def test_handshake_says_what_differs(site: Path) -> None:
    command = [sys.executable, "-m", "nginxtls", "handshake", str(site), "--servername", "shop.example.com"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "TLSv1.2 with nginx 1.22.1 and older" in done.stdout
    assert "TLSv1.3 with nginx 1.30.6 and newer" in done.stdout
    assert "versions: not known, so nginx 1.18.0 to 1.31.6" in done.stdout
    answer = json.loads(subprocess.run([*command, "--format", "json"], capture_output=True, check=True).stdout)
    assert len(answer["differing"]["protocols"]) == 3


def test_few_builds_stand_for_all() -> None:
    chosen, others = in_question(None, None)
    assert len(chosen) <= 7
    cells = {(group(build.nginx), build.openssl.generation) for build in table()}
    assert {(group(build.nginx), build.openssl.generation) for build in (*chosen, *others)} == cells
    assert {group(build.nginx) for build in chosen} == {*range(len(BOUNDARIES) + 1)}


def test_the_table_holds_what_was_supported_when_it_was_checked() -> None:
    for build in table():
        checked = date.fromisoformat(build.checked)
        assert date.fromisoformat(build.since) <= checked
        assert build.until == "-" or date.fromisoformat(build.until) >= checked
        assert build.source.startswith("https://")
        assert build.openssl.generation in GENERATIONS


# -- packages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "nginx", "distribution"),
    [
        ("1.22.1-9+deb12u11", "1.22.1", True),
        ("1.24.0-2ubuntu7.5", "1.24.0", True),
        ("2:1.20.1-16.el9_4.1", "1.20.1", True),
        ("1.28.3-r0", "1.28.3", True),
        ("1.30.6-1~bookworm", "1.30.6", False),
        ("1.30.6-1.el9.ngx", "1.30.6", False),
        ("1.26.3", "1.26.3", False),
    ],
)
def test_package_versions(text: str, nginx: str, distribution: bool) -> None:
    assert str(NginxVersion.parse(text)) == nginx
    assert distribution_package(text) == (text if distribution else "")


@pytest.mark.parametrize("text", ["1.22.1-", "1.22.1 -9", "nginx", "1", "1.22.1-9\n+x"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="not an nginx version"):
        NginxVersion.parse(text)


def debian(folder: Path, version: str, *changes: str) -> None:
    """An image of Debian with nginx and a changelog of these entries, newest first."""
    packages = f"""\
Package: nginx
Status: install ok installed
Depends: libc6 (>= 2.34), libssl3 (>= 3.0.0), nginx-common (= {version})
Version: {version}

Package: libssl1.1
Status: deinstall ok config-files
Version: 1.1.1w-0+deb11u1

Package: libssl3
Status: install ok installed
Version: 3.0.20-1~deb12u2
"""
    write(folder, "var/lib/dpkg/status", packages)
    if changes:
        write(folder, "usr/share/doc/nginx/changelog.Debian.gz", gzip.compress("\n".join(changes).encode()))


def flaws(folder: Path) -> list[tuple[str, Severity]]:
    write(folder, "etc/nginx/nginx.conf", FLAWED)
    report = check(folder / "etc/nginx", root=folder)
    assert not report.failures
    assert "OpenSSL 3.0.20: detected from dpkg" in report.versions[0].text
    return [(f.rule, f.severity) for f in report.findings if "CVE-" in f.message]


OLDER = "nginx (1.22.0-1) unstable; urgency=medium\n\n  * New upstream.\n"


def test_a_patched_package_has_no_flaws(tmp_path: Path) -> None:
    debian(tmp_path, "1.22.1-9+deb12u11", "nginx (1.22.1-9+deb12u11) x;\n\n  * CVE-2026-123640\n", OLDER)
    assert flaws(tmp_path) == []


def test_an_unpatched_package_has_the_flaws_that_its_changelog_does_not_name(tmp_path: Path) -> None:
    debian(tmp_path, "1.22.1-9+deb12u9", "nginx (1.22.1-9+deb12u9) x;\n\n  * CVE-2022-41741\n", OLDER)
    assert flaws(tmp_path) == [("known-vulnerability", Severity.ERROR)]


CLIENTS = """events {} http { server { listen 443 ssl; ssl_verify_client on; } }"""


@pytest.mark.parametrize(
    ("changelog", "expected"),
    [
        ("openssl (3.0.20-1~deb12u2) x;\n\n  * CVE-2026-35189\n\nopenssl (3.0.19-1) x;\n\n  * New.\n", []),
        ("openssl (3.0.20-1~deb12u2) x;\n\n  * CVE-2026-1\n\nopenssl (3.0.19-1) x;\n\n  * New.\n", ["does not name"]),
        ("openssl (3.0.20-1~deb12u2) x;\n\n  * cut off\n", ["is not known"]),
        ("openssl (3.0.20-1~deb12u1) x;\n\n  * CVE-2026-35189: of another package\n", ["is not known"]),
        ("", ["is not known"]),
    ],
)
def test_flaws_of_openssl_are_those_that_its_own_changelog_does_not_name(
    changelog: str, expected: list[str], tmp_path: Path
) -> None:
    debian(tmp_path, "1.22.1-9+deb12u11", "nginx (1.22.1-9+deb12u11) x;\n\n  * All fixed.\n", OLDER)
    write(tmp_path, "usr/share/doc/libssl3/changelog.Debian.gz", gzip.compress(changelog.encode()))
    write(tmp_path, "etc/nginx/nginx.conf", CLIENTS)
    findings = check(tmp_path / "etc/nginx", root=tmp_path).findings
    notes = [note for f in findings if "CVE-2026-35189" in f.message for note in f.notes]
    assert len(notes) == len(expected)
    for note, words in zip(notes, expected, strict=True):
        assert "package openssl 3.0.20-1~deb12u2" in note
        assert words in note


@pytest.mark.parametrize(
    "changes",
    [
        (),
        ("nginx (1.22.1-9+deb12u11) x;\n\n  * cut off here\n",),
        ("nginx (1.22.1-9+deb12u9) x;\n\n  * of another package\n", OLDER),
    ],
)
def test_without_a_complete_changelog_flaws_are_notes(changes: tuple[str, ...], tmp_path: Path) -> None:
    debian(tmp_path, "1.22.1-9+deb12u11", *changes)
    assert flaws(tmp_path) == [("known-vulnerability", Severity.NOTE)]


def test_the_same_version_without_a_package_has_them_all(tmp_path: Path) -> None:
    file = write(tmp_path, "nginx.conf", FLAWED)
    findings = check(file, nginx_version="1.22.1", openssl_version="3.0.20").findings
    assert ("known-vulnerability", Severity.ERROR) in [(f.rule, f.severity) for f in findings]


@pytest.mark.parametrize("named", ["etc/nginx", "etc", "etc/nginx/nginx.conf"])
def test_the_local_nginx_is_that_of_its_own_configuration(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = Versions(NginxVersion.parse("1.22.1"), OpenSSL.parse("3.0.20"), Provenance("detected from dpkg"))
    monkeypatch.setattr(files, "CONF_FOLDERS", (str(tmp_path / "etc/nginx"),))
    monkeypatch.setattr(detection, "local_versions", lambda: local)
    for place in ("etc/nginx", "etc/other"):
        write(tmp_path, f"{place}/nginx.conf", "events {}\nhttp { server { listen 443 ssl; } }\n")
    made_for = {entry.text: entry.configurations for entry in check(tmp_path / named).versions}
    assert made_for.pop("nginx 1.22.1, OpenSSL 3.0.20: detected from dpkg") == (str(tmp_path / "etc/nginx/nginx.conf"),)
    assert [text.partition(",")[0] for text in made_for] == (["not known"] if named == "etc" else [])


def test_apk(tmp_path: Path) -> None:
    write(tmp_path, "lib/apk/db/installed", "C:Q1\nP:libssl3\nV:3.5.5-r0\n\nC:Q1\nP:nginx\nV:1.28.3-r0\nF:usr\n\n")
    found = installed_nginx(str(tmp_path))
    assert found is not None
    assert (found.nginx, found.openssl, found.manager) == ("1.28.3-r0", "3.5.5-r0", "apk")


def rpm_header(tags: dict[int, str | int]) -> bytes:
    index, data = b"", b""
    for tag, value in tags.items():
        if isinstance(value, int):
            data += b"\0" * (-len(data) % 4)
        index += struct.pack(">IIII", tag, 4 if isinstance(value, int) else 6, len(data), 1)
        data += struct.pack(">I", value) if isinstance(value, int) else value.encode() + b"\0"
    return struct.pack(">II", len(tags), len(data)) + index + data


def test_rpm(tmp_path: Path) -> None:
    file = tmp_path / "var/lib/rpm/rpmdb.sqlite"
    file.parent.mkdir(parents=True)
    database = sqlite3.connect(file)
    database.executescript(
        "CREATE TABLE Packages (hnum INTEGER, blob BLOB); CREATE TABLE Name (key TEXT, hnum INTEGER);"
    )
    packages: list[dict[int, str | int]] = [
        {1000: "openssl-libs", 1001: "3.5.1", 1002: "4.el9_7", 1003: 1},
        {1000: "nginx", 1001: "1.20.1", 1002: "22.el9", 1003: 2, 1082: "- Resolves: CVE-2025-23419"},
    ]
    for number, tags in enumerate(packages):
        database.execute("INSERT INTO Packages VALUES (?, ?)", (number, rpm_header(tags)))
        database.execute("INSERT INTO Name VALUES (?, ?)", (tags[1000], number))
    database.commit()
    database.close()
    found = installed_nginx(str(tmp_path))
    assert found is not None
    assert (found.nginx, found.openssl, found.manager) == ("2:1.20.1-22.el9", "3.5.1", "rpm")
    assert found.fixed == {"CVE-2025-23419"}
    assert not found.complete


@pytest.mark.parametrize("text", ["", "Package: nginx", "\0\xff", "Package nginx\n" * 50])
def test_a_broken_database_is_none(text: str, tmp_path: Path) -> None:
    for path in ("var/lib/dpkg/status", "lib/apk/db/installed", "var/lib/rpm/rpmdb.sqlite"):
        write(tmp_path, path, text)
    assert installed_nginx(str(tmp_path)) is None


def test_a_database_outside_of_the_root_is_not_read(tmp_path: Path) -> None:
    debian(tmp_path / "other", "1.22.1-9+deb12u11")
    (tmp_path / "root/var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "root/var/lib/dpkg/status").symlink_to(tmp_path / "other/var/lib/dpkg/status")
    assert installed_nginx(str(tmp_path / "root")) is None


# -- images ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "versions"),
    [
        ("Dockerfile", "FROM nginx:1.26.3-alpine\n", "nginx 1.26.3: likely, image nginx:1.26.3-alpine in Dockerfile"),
        ("Dockerfile", "FROM docker.io/library/nginx:1.26\n", "nginx 1.26.3: likely, "),
        ("Dockerfile", "ARG V=1.26.3\nFROM nginx:${V}-alpine\n", "nginx 1.26.3: likely, image nginx:1.26.3-alpine in"),
        ("Dockerfile", "ARG V\nFROM nginx:${V:-1.26.3}\n", "nginx 1.26.3: likely, image nginx:1.26.3 in"),
        ("Dockerfile", "ARG V\nFROM nginx:$V\n", "not known, so "),
        ("compose.yaml", "services:\n  web:\n    image: nginx:${TAG:-1.27.4}\n", "nginx 1.27.4: likely, "),
        ("compose.yaml", "services:\n  web:\n    image: example/nginx:2.4.1\n", "not known, so "),
        (
            "values.yaml",
            'a:\n  repository: x\n  tag: "1"\nimage:\n  repository: nginx\n  p: x\n  # a\n  tag: "1.28.0"\n',
            "nginx 1.28.0: likely, image nginx:1.28.0 in values.yaml",
        ),
        ("values.yaml", "image:\n  tag: 1.28.0\n  pullPolicy: x\n  repository: nginx\n", "nginx 1.28.0: likely, "),
        ("values.yaml", "a:\n  repository: nginx\nb:\n  tag: 1.28.0\n", "not known, so "),
        ("compose.yaml", "services:\n  web:\n    image: 'nginx:1.27.4'\n", "nginx 1.27.4: likely, "),
        ("values.yaml", "image:\n  repository: bitnami/nginx\n  tag: 1.28.0-debian-12-r4\n", "nginx 1.28.0: likely, "),
        ("Dockerfile", "FROM nginx:latest\n", "not known, so "),
        ("Dockerfile", "FROM debian:12\n", "not known, so "),
        ("compose.yaml", "a:\n  image: nginx:1.27.4\nb:\n  image: nginx:1.18.0\n", "not known, so "),
    ],
)
def test_image_tags_are_likely_versions_where_they_are_unique(
    name: str, text: str, versions: str, tmp_path: Path
) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path, name, text)
    file = write(tmp_path, "conf/nginx.conf", "events {} http { server { listen 443 ssl; } }")
    (made_for,) = check(file).versions
    assert made_for.text.startswith(versions)
    assert made_for.likely is ("likely" in versions)


def test_the_image_of_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    """What was requested is the project; a file alone does not lead to files in folders above it."""
    write(tmp_path, "compose.yaml", "services:\n  web:\n    image: nginx:1.27.4\n")
    file = write(tmp_path, "conf/nginx.conf", "events {} http { server { listen 443 ssl; } }")
    assert [each.text.partition(":")[0] for each in check(tmp_path).versions] == ["nginx 1.27.4"]
    assert [each.nginx for each in check(file).versions] == [None]


def test_settings_give_versions_by_path_and_by_dump(tmp_path: Path) -> None:
    dump = "# configuration file /etc/nginx/nginx.conf:\nevents {} http { server { listen 443 ssl; } }\n"
    for name in ("hosts/web1.txt", "hosts/web2.txt", "hosts/other.txt"):
        write(tmp_path, name, dump)
    write(tmp_path, "lab/nginx.conf", "events {} http { server { listen 443 ssl; } }\n")
    table = "versions:\n  hosts/web*: [1.22.1-9+deb12u11, 3.0.20]\n  /lab/: 1.30.6 3.5.9\n"
    write(tmp_path, ".nginxtls.yaml", table)
    found = {
        Path(name.partition(":")[0]).name: versions.text
        for versions in check(tmp_path).versions
        for name in versions.configurations
    }
    assert found.pop("other.txt").startswith("not known, so nginx ")
    assert found == {
        "web1.txt": "nginx 1.22.1 (package 1.22.1-9+deb12u11), OpenSSL 3.0.20: given in the settings",
        "web2.txt": "nginx 1.22.1 (package 1.22.1-9+deb12u11), OpenSSL 3.0.20: given in the settings",
        "nginx.conf": "nginx 1.30.6, OpenSSL 3.5.9: given in the settings",
    }


# -- keys that are not known -------------------------------------------------------------------------------------------


def test_static_rsa_is_hedged_where_the_key_is_not_known(tmp_path: Path) -> None:
    file = write(tmp_path, "nginx.conf", UNREAD.format(ciphers="HIGH:!aNULL:!MD5"))
    report = check(file, nginx_version="1.22.1", openssl_version="3.0.20")
    (finding,) = [f for f in report.findings if f.rule == "static-rsa-key-exchange"]
    assert finding.message.endswith(", if the key is RSA")
    assert (finding.severity, finding.confidence) == (Severity.NOTE, Confidence.LIKELY)
    assert "the certificate could not be read, so the type of its key is not known" in finding.notes


def test_openssl_1_1_1_serves_what_one_of_the_keys_serves(tmp_path: Path) -> None:
    """1.18.0 with 1.1.1w serves TLS 1.0 with an RSA key and not with an EC key (tests/conformance)."""
    file = write(tmp_path, "nginx.conf", UNREAD.format(ciphers="HIGH:!aNULL:!MD5"))
    report = check(file, nginx_version="1.18.0", openssl_version="1.1.1w")
    assert [row.protocols for row in report.endpoints] == [("TLSv1", "TLSv1.1", "TLSv1.2")]
    assert not [f for f in report.findings if f.rule == "unreachable-protocol"]
    (finding,) = [f for f in report.findings if f.rule == "legacy-protocol"]
    assert finding.message.endswith(", if the key is RSA")
    assert not [f for f in report.findings if f.fix is not None and f.fix.safe]


# -- faults of a part of the builds ------------------------------------------------------------------------------------


def test_what_stops_older_nginx_is_a_note_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(
        "events {}\nstream { server { listen 443 ssl default_server; ssl_reject_handshake on; } }\n"
    )
    (found,) = [f for f in check(tmp_path / "nginx.conf").findings if f.rule == "stream-server-without-handler"]
    assert found.severity is Severity.NOTE
    assert found.message.startswith("nginx 1.26.3 and older does not start")


def test_a_byte_order_mark_is_reported_for_the_openssl_that_does_not_skip_it(site: Path) -> None:
    (site.parent / "bom.pem").write_bytes((CERTIFICATES / "bom.pem").read_bytes())
    site.write_text(site.read_text().replace(f"{CERTIFICATES}/good.pem", "bom.pem"))
    found = [f for f in check(site).findings if f.rule == "byte-order-mark"]
    assert {f.severity for f in found} == {Severity.WARNING}
    assert any("this applies to OpenSSL 1.1.1" in note for f in found for note in f.notes)


def test_what_stops_older_nginx_alone_is_not_fixed(site: Path) -> None:
    site.write_text(site.read_text().replace("server_name", "ssl_ecdh_curve X25519MLKEM768:X25519; server_name", 1))
    (found,) = [f for f in check(site).findings if f.rule == "unsupported-post-quantum-group"]
    assert found.fix is None
    (found,) = [f for f in check(site, openssl_version="3.0.20").findings if f.rule == "unsupported-post-quantum-group"]
    assert found.fix is not None


def test_what_holds_for_several_openssl_names_none_of_them(tmp_path: Path) -> None:
    lines = f"ssl_certificate {CERTIFICATES}/good.pem; ssl_certificate_key {CERTIFICATES}/good.key;"
    write(
        tmp_path,
        "nginx.conf",
        f"events {{}}\nmail {{ ssl on; ssl_protocols TLSv1 TLSv1.2; {lines} server {{ listen 25; }} }}\n",
    )
    (found,) = [f for f in check(tmp_path / "nginx.conf").findings if f.rule == "unreachable-protocol"]
    assert "from OpenSSL at security level" in found.message
