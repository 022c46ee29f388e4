"""``nginxtls check --fix``, ``--diff`` and ``--fix-only`` as people run them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_check import COMMAND, run

SITE = """\
server {
    listen 443 ssl;
    server_name a.example.com;
    ssl_protocols TLSv1.2 TLSv1.2;
    http2_push on;
}
"""
FIXED = SITE.replace("TLSv1.2 TLSv1.2", "TLSv1.2").replace("    http2_push on;\n", "")
ALL_FIXED = FIXED.replace("TLSv1.2;", "TLSv1.2 TLSv1.3;")
RULES = ("--select", "repeated-protocol,removed-http2-push,missing-tls13", "--nginx-version", "1.26.3")
SAID = "fixed 2 findings in 1 file: removed-http2-push, repeated-protocol\n1 unsafe fix available with --unsafe-fixes\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.conf"
    path.write_text(SITE)
    return path


@pytest.mark.parametrize("path", ["site.conf", "."])
def test_safe_fixes_are_written_and_the_rest_is_reported(site: Path, path: str) -> None:
    done = run("check", path, "--fix", "--format", "concise", *RULES, cwd=site.parent)
    assert site.read_text() == FIXED
    assert done.stderr == SAID
    assert "missing-tls13" in done.stdout
    assert "repeated-protocol" not in done.stdout
    assert os.listdir(site.parent) == ["site.conf"]


def test_unsafe_fixes_are_applied_on_request(site: Path) -> None:
    done = run("check", "site.conf", "--fix", "--unsafe-fixes", *RULES, cwd=site.parent)
    assert (done.returncode, site.read_text()) == (0, ALL_FIXED)


def test_rules_are_selected_as_elsewhere(site: Path) -> None:
    run("check", "site.conf", "--fix", "--select", "http3", "--nginx-version", "1.26.3", cwd=site.parent)
    assert site.read_text() == SITE.replace("    http2_push on;\n", "")


def test_ignored_findings_are_not_fixed(site: Path) -> None:
    site.write_text(SITE.replace("on;", "on; # nginxtls: ignore[removed-http2-push]"))
    run("check", "site.conf", "--fix", *RULES, cwd=site.parent)
    assert "http2_push" in site.read_text()


def test_a_diff_changes_nothing_and_git_applies_it(site: Path) -> None:
    done = run("check", "site.conf", "--diff", *RULES, cwd=site.parent)
    assert (done.returncode, site.read_text()) == (1, SITE)
    assert done.stderr == "would " + SAID.replace("fixed", "fix")
    subprocess.run(["git", "apply", "-"], input=done.stdout.encode(), cwd=site.parent, check=True)
    assert site.read_text() == FIXED
    done = run("check", "site.conf", "--diff", *RULES, cwd=site.parent)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--exit-non-zero-on-fix",), 1)])
def test_fix_only_reports_nothing(site: Path, options: tuple[str, ...], status: int) -> None:
    done = run("check", "site.conf", "--fix-only", *options, *RULES, cwd=site.parent)
    assert (done.returncode, done.stdout, site.read_text()) == (status, "", FIXED)
    assert run("check", "site.conf", "--fix-only", *options, *RULES, cwd=site.parent).returncode == 0


def test_exit_non_zero_on_fix_counts_though_nothing_remains(site: Path) -> None:
    options = ("--fix", "--exit-non-zero-on-fix", "--select", "repeated-protocol")
    assert run("check", "site.conf", *options, cwd=site.parent).returncode == 1
    assert run("check", "site.conf", *options, cwd=site.parent).returncode == 0


# -- standard input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_standard_input_is_printed_fixed(tmp_path: Path, encoding: str, end: str) -> None:
    old, new = (f"# caf\u00e9\n{text}".replace("\n", end).encode(encoding) for text in (SITE, FIXED))
    command: list[str | Path] = [COMMAND, "check", "-", "--fix", *RULES]
    done = subprocess.run(command, input=old, capture_output=True, check=False, cwd=tmp_path)
    assert done.stdout == new
    assert b"missing-tls13" in done.stderr


def test_standard_input_without_faults_is_printed_as_it_is(tmp_path: Path) -> None:
    done = run("check", "-", "--fix-only", *RULES, cwd=tmp_path, text=ALL_FIXED)
    assert (done.returncode, done.stdout, done.stderr) == (0, ALL_FIXED, "")


# -- what is refused ---------------------------------------------------------------------------------------------------

DUMP = f"# configuration file /etc/nginx/nginx.conf:\nevents {{}}\nhttp {{\n{SITE}}}\n"


@pytest.mark.parametrize("path", ["-", "host.dump", "./host.dump"])
def test_a_dump_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "host.dump").write_text(DUMP)
    done = run("check", path, "--fix", *RULES, cwd=tmp_path, text=DUMP)
    assert done.returncode == 2
    assert "is a dump of nginx -T, which cannot be fixed" in done.stderr
    assert done.stdout == ""
    assert (tmp_path / "host.dump").read_text() == DUMP


def test_a_dump_in_a_folder_is_left_alone(site: Path) -> None:
    (site.parent / "host.dump").write_text(DUMP)
    done = run("check", ".", "--fix", *RULES, cwd=site.parent)
    assert "repeated-protocol: it is in a dump" in done.stderr
    assert site.read_text() == FIXED
    assert (site.parent / "host.dump").read_text() == DUMP


def test_an_expression_of_a_template_is_not_changed(tmp_path: Path) -> None:
    text = SITE.replace("ssl_protocols TLSv1.2 TLSv1.2;", "ssl_protocols TLSv1.2 TLSv1.2 {{ more }};")
    (tmp_path / "site.conf.j2").write_text(text)
    run("check", "site.conf.j2", "--fix", "--unsafe-fixes", *RULES, cwd=tmp_path)
    assert "{{ more }};" in (tmp_path / "site.conf.j2").read_text()


def test_only_files_of_the_requested_paths_are_changed(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    site = tmp_path / "conf.d" / "site.conf"
    site.write_text(SITE)
    (tmp_path / "nginx.conf").write_text("events {}\nhttp {\n    include conf.d/*.conf;\n}\n")
    done = run("check", "nginx.conf", "--fix", *RULES, cwd=tmp_path)
    assert "conf.d/site.conf is outside the requested paths; name it to fix it" in done.stderr
    assert site.read_text() == SITE
    run("check", "nginx.conf", "conf.d/site.conf", "--fix", *RULES, cwd=tmp_path)
    assert site.read_text() == FIXED


def test_a_link_within_the_tree_stays_a_link_and_one_out_of_it_is_not_followed(tmp_path: Path) -> None:
    tree, other = tmp_path / "tree", tmp_path / "other.conf"
    (tree / "sites-available").mkdir(parents=True)
    (tree / "sites-enabled").mkdir()
    (tree / "nginx.conf").write_text("events {}\nhttp {\n    include sites-enabled/*;\n}\n")
    (tree / "sites-available" / "site").write_text(SITE)
    other.write_text(SITE)
    (tree / "sites-enabled" / "site").symlink_to("../sites-available/site")
    (tree / "sites-enabled" / "other").symlink_to(other)
    run("check", "tree", "--fix", *RULES, cwd=tmp_path)
    assert (tree / "sites-enabled" / "site").is_symlink()
    assert (tree / "sites-available" / "site").read_text() == FIXED
    assert other.read_text() == SITE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--unsafe-fixes",), "error: --unsafe-fixes: applies nothing by itself"),
        (("--exit-non-zero-on-fix",), "error: --exit-non-zero-on-fix: fixes nothing by itself"),
        (("--fix", "--write-baseline", "--baseline", "b.json"), "cannot be given together with --fix"),
        (("--diff", "--format", "json"), "error: --diff: prints a unified diff alone"),
        (("-", "--fix"), "error: -: cannot be fixed together with other paths"),
    ],
)
def test_options_that_contradict_each_other_are_refused(site: Path, options: tuple[str, ...], message: str) -> None:
    done = run("check", "site.conf", *options, cwd=site.parent, text=SITE)
    assert done.returncode == 2
    assert message in done.stderr
    assert site.read_text() == SITE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away and mount a small disk")
def test_the_owner_and_the_mode_stay(site: Path) -> None:
    os.chown(site, 1234, 4321)
    site.chmod(0o640)
    run("check", "site.conf", "--fix", *RULES, cwd=site.parent)
    status = site.stat()
    assert (site.read_text(), status.st_uid, status.st_gid, status.st_mode & 0o7777) == (FIXED, 1234, 4321, 0o640)


# -- policies ----------------------------------------------------------------------------------------------------------

OLD = """\
events {}
http {
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
    ssl_ciphers HIGH:!aNULL;
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate site.pem;
        ssl_certificate_key site.key;
    }
}
"""
NEW = (
    "ssl_protocols TLSv1.2 TLSv1.3;",
    "ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;",
)
POLICY = ("--nginx-version", "1.30.6", "--openssl-version", "3.5.9")


def test_a_policy_named_with_fix_is_brought_about_and_nothing_else_that_is_unsafe(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(OLD.replace("listen", "ssl_session_timeout 9d;\n        listen"))
    run("check", "nginx.conf", "--fix", "--policy", "mozilla-intermediate", *POLICY, cwd=tmp_path)
    text = path.read_text()
    assert all(line in text for line in NEW)
    assert "ssl_session_timeout 9d;" in text
    done = run("check", "nginx.conf", "--select", "policy", "--policy", "mozilla-intermediate", *POLICY, cwd=tmp_path)
    assert "policy-" not in done.stdout


def test_a_policy_of_the_settings_file_is_no_request_to_change_handshakes(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(OLD.replace("TLSv1 TLSv1.1 ", ""))
    (tmp_path / ".nginxtls.yaml").write_text("policy: [mozilla-intermediate]\n")
    done = run("check", "nginx.conf", "--fix", *POLICY, cwd=tmp_path)
    assert (tmp_path / "nginx.conf").read_text() == OLD.replace("TLSv1 TLSv1.1 ", "")
    assert "policy-ciphers" in done.stdout
