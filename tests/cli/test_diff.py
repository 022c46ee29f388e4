"""The command ``nginxtls diff``: its sides are named as people know them, and its JSON is data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SUITES = (
    "ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES128-SHA256 ECDHE-RSA-AES256-SHA384".split()
)
MORE = "ECDHE-RSA-AES128-SHA ECDHE-RSA-AES256-SHA AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-SHA".split()
CONFIGURATION = """\
events {{}}
http {{
    server {{
        listen 443 ssl;
        server_name a.example.com;
        ssl_certificate a.pem;
        ssl_certificate_key a.key;
        ssl_protocols {protocols};
        ssl_ciphers {ciphers};
    }}
}}
"""
VERSIONS = ("--nginx-version", "1.26.3", "--openssl-version", "3.0.13", "--no-config")


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def diff(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "nginxtls", "diff", *arguments, *VERSIONS]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose last revision offers TLS 1.2 with nine suites; its working copy TLS 1.3 and two suites."""
    (tmp_path / "nginx").mkdir()
    file = tmp_path / "nginx" / "a.conf"
    file.write_text(CONFIGURATION.format(protocols="TLSv1.2", ciphers=":".join([*SUITES, *MORE])))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    file.write_text(CONFIGURATION.format(protocols="TLSv1.2 TLSv1.3", ciphers=":".join(SUITES[:2])))
    return tmp_path


@pytest.mark.parametrize("folder", [".", "nginx"])
@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_files_of_a_revision_are_named_as_git_names_them(repository: Path, form: str, folder: str) -> None:
    told = diff(repository / folder, "HEAD", ".", "--format", form)
    assert "HEAD:nginx/a.conf" in told
    assert "nginxtls-" not in told


def test_json_has_everything_that_differs(repository: Path) -> None:
    told = json.loads(diff(repository, "HEAD", ".", "--format", "json"))
    assert (told["old"], told["new"]) == ("HEAD", ".")
    (change,) = told["changes"]
    assert change["names"] == ["(no name)", "a.example.com"]
    parts = {each["part"]: each for each in change["differences"]}
    assert parts["protocols"]["added"] == ["TLSv1.3"]
    suites = parts["suites"]
    assert (suites["version"], suites["new"], suites["removed"]) == ("TLSv1.2", SUITES[:2], [*SUITES[2:], *MORE])
    assert all(finding["file"].startswith("HEAD:") for finding in told["findings"]["gone"])


def test_people_read_the_same_with_long_lists_cut(repository: Path) -> None:
    told = diff(repository, "HEAD", ".")
    assert "(no name), a.example.com on *:443\n  protocol added: TLSv1.3\n" in told
    assert f"  TLSv1.2 suites removed: {', '.join([*SUITES[2:], *MORE][:6])} and 1 more\n" in told


def test_new_and_removed_endpoints_are_data_too(repository: Path) -> None:
    (repository / "nginx" / "a.conf").write_text("events {}\nhttp {}\n")
    (change,) = json.loads(diff(repository, "HEAD", ".", "--format", "json"))["changes"]
    (difference,) = change["differences"]
    assert (difference["part"], difference["new"]) == ("endpoint", None)
    assert difference["old"]["protocols"] == ["TLSv1.2"]


def test_a_key_that_was_under_version_control_before_is_no_new_finding(repository: Path) -> None:
    keys = Path(__file__).parents[2] / "fixtures/certificates"
    for name in ("good-rsa.pem", "good-rsa.key"):
        (repository / "nginx" / name.replace("good-rsa", "a")).write_bytes((keys / name).read_bytes())
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "with a key")
    assert "key-in-repository" in diff(repository, "HEAD~1", ".")
    assert "key-in-repository" not in diff(repository, "HEAD", ".")
