"""``nginxtls clients`` as people run it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

from tests.cli.test_handshake import CERTIFICATES, run, write

TRUST = ("--trust", CERTIFICATES / "root.pem", "--at", "2026-11-26")


def test_a_line_for_clients_that_get_the_same(tmp_path: Path) -> None:
    shown = run("clients", write(tmp_path), "--client", "node", "--servername", "b.test", *TRUST, cwd=tmp_path)
    assert "*:443: b.test" in shown
    assert "Node 0.10.48" in shown
    assert "does not cover b.test" in shown or "names" in shown


def test_each_format_names_the_build_that_is_assumed(tmp_path: Path) -> None:
    folder, known = write(tmp_path), ("--nginx-version", "1.30.6", "--openssl-version", "3.6.5")
    for form in ("text", "markdown", "html", "json"):
        command = ("clients", folder, "--client", "Java 7u25", "--format", form, *TRUST)
        assumed = run(*command, cwd=tmp_path)
        assert len(re.findall(r"nginx 1\.\d+\.\d+ with OpenSSL 3\.\d+\.\d+", assumed)) == 1
        assert " with OpenSSL " not in run(*command, *known, cwd=tmp_path)


def test_only_failing_and_json(tmp_path: Path) -> None:
    folder = write(tmp_path)
    found = json.loads(run("clients", folder, "--client", "Java 7u25", "--client", "Chromium 156", "--format", "json",
                           "--only-failing", "--connect", "127.0.0.1:443", *TRUST, cwd=tmp_path))  # fmt: skip
    (endpoint,) = found["endpoints"]
    assert [row["client"] for row in endpoint["clients"]] == ["Java 7u25"]
    assert endpoint["clients"][0]["kind"] == "protocol"
    assert endpoint["clients"][0]["recorded"] is None


def test_markdown_and_html_escape_names(tmp_path: Path) -> None:
    folder = write(tmp_path)
    text = (folder / "b.conf").read_text().replace("b.test", "'<b>|x'")
    (folder / "b.conf").write_text(text)
    assert "<b>" not in run("clients", folder, "--format", "markdown", *TRUST, cwd=tmp_path)
    page = run("clients", folder, "--format", "html", *TRUST, cwd=tmp_path)
    assert "<b>" not in page
    assert "&lt;b&gt;" in page


def test_the_list_of_clients(tmp_path: Path) -> None:
    shown = run("clients", "--list", "--client", "browsers", "--since", "2024-11", cwd=tmp_path)
    assert "recorded" in shown
    assert "Android 4" not in shown


def test_a_client_or_a_date_that_is_not_known(tmp_path: Path) -> None:
    folder = write(tmp_path)
    assert "matches no known client" in run("clients", folder, "--client", "chrone", cwd=tmp_path, status=2)
    assert "is not a year or month" in run("clients", folder, "--since", "lately", cwd=tmp_path, status=2)
    assert "no client that was selected is as recent" in run(
        "clients", folder, "--since", "2099", cwd=tmp_path, status=2
    )
    assert "no server listens there" in run("clients", folder, "--connect", "127.0.0.1:9", cwd=tmp_path, status=2)


def test_diff_says_who_loses_access_and_who_gains_it(tmp_path: Path) -> None:
    old, new = write(tmp_path / "old"), write(tmp_path / "new")
    for folder, lines in ((old, "TLSv1.2 TLSv1.3"), (new, "TLSv1.3")):
        main = (
            (folder / "nginx.conf").read_text().replace("TLSv1.2 TLSv1.3", lines).replace("a.test", "www.example.com")
        )
        (folder / "nginx.conf").write_text(main)
    shown = run("diff", old, new, *TRUST, cwd=tmp_path)
    assert "lose access: " in shown
    back = json.loads(run("diff", new, old, "--format", "json", *TRUST, cwd=tmp_path))
    assert any("Node 10.24.1" in access["gained"] and not access["lost"] for access in back["clients"])
    assert "#### Clients" in run("diff", old, new, "--format", "markdown", *TRUST, cwd=tmp_path)


def test_the_grade_names_each_criterion(tmp_path: Path) -> None:
    folder = write(tmp_path)
    main = (folder / "nginx.conf").read_text().replace("a.test", "www.example.com")
    (folder / "nginx.conf").write_text(main.replace("TLSv1.2 TLSv1.3", "TLSv1.1 TLSv1.2"))
    arguments = ("--servername", "www.example.com", "--grade", *TRUST)
    shown = run(
        "handshake", folder, *arguments, "--openssl-version", "1.1.1", "--nginx-version", "1.18.0", cwd=tmp_path
    )
    assert "grade " in shown
    assert "assumed: " in shown
    found = json.loads(run("handshake", folder, *arguments, "--format", "json", cwd=tmp_path))["grade"]
    assert found["grade"] == "A-"
    assert {"criterion": "TLS 1.3 (2009r)", "result": "TLSv1.3 is not supported", "cap": "A-"} in found["criteria"]


DOCS = Path(__file__).parents[2] / "docs/clients.md"
REPORT = re.compile(r"```nginx\n(.*?)```\n\n```text\n\$ nginxtls (.*?)\n(.*?)```", re.DOTALL)
VERSIONS = ("--nginx-version", "1.18.0", "--openssl-version", "1.1.1w")


def explained(configuration: str, command: str, folder: Path) -> str:
    """What a command of the documentation prints about the configuration above it."""
    for name in ("good-rsa.pem", "good-rsa.key"):
        shutil.copy(CERTIFICATES / name, folder)
    (folder / "nginx.conf").write_text(configuration)
    shown = run(*shlex.split(command), *TRUST, *VERSIONS, cwd=folder)
    return shown.partition("\n\n")[0] + "\n"


def test_the_two_reports_of_the_documentation_are_explained_as_shown(tmp_path: Path) -> None:
    found = REPORT.findall(DOCS.read_text())
    assert len(found) == 2
    for configuration, command, shown in found:
        assert explained(configuration, command, tmp_path) == shown
    assert "Android 7.0*  no: no common group in TLSv1.2: the client offers secp256r1" in found[0][2]
    assert "work with the server's RSA certificate use DHE, and the server has no DH parameters" in found[1][2]


if __name__ == "__main__":  # writes the outputs of the documentation
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        text = DOCS.read_text()
        for configuration, command, shown in REPORT.findall(text):
            old = f"{command}\n{shown}"
            text = text.replace(old, f"{command}\n{explained(configuration, command, Path(scratch))}")
    DOCS.write_text(text)
