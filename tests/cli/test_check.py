"""``nginxtls check`` as people run it: options, exit codes, bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("nginxtls")
ROOT = Path(__file__).parents[2]
SITE = """\
server {
    listen 443 ssl;
    server_name a.example.com;
    ssl_protocols SSLv3 TLSv1.2; # nginxtls: ignore[no-such-rule]
}
"""
CLEAN = SITE.replace(" # nginxtls: ignore[no-such-rule]", "")
ONLY = ("--select", "suppression", "--format", "concise")


def run(*args: object, cwd: Path, text: str | bytes = b"", **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [COMMAND, *map(str, args)],
        cwd=cwd,
        input=text.encode() if isinstance(text, str) else text,
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **environment},
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in out + err
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site.conf").write_text(SITE)
    (tmp_path / "clean.conf").write_text(CLEAN)
    return tmp_path


# -- exit codes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "concise", "json", "sarif"])
@pytest.mark.parametrize(
    ("args", "status"), [(("clean.conf",), 0), (("site.conf",), 1), (("site.conf", "none.conf"), 2)]
)
def test_the_status_is_the_same_in_every_format(folder: Path, form: str, args: tuple[str, ...], status: int) -> None:
    assert run("check", *args, "--select", "suppression", "--format", form, cwd=folder).returncode == status


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (("--exit-zero",), 0),
        (("--fail-on", "error"), 0),
        (("--min-severity", "error"), 0),
        (("--ignore", "unknown-suppression"), 0),
        (("none.conf", "--exit-zero"), 2),
    ],
)
def test_options_change_what_counts(folder: Path, args: tuple[str, ...], status: int) -> None:
    assert run("check", "site.conf", *args, *ONLY, cwd=folder).returncode == status


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("check", "--at", "tomorrow"), "error: --at tomorrow: is not a date"),
        (("check", "--select", "legacy-protocl"), 'did you mean "legacy-protocol"?'),
        (("check", "--nginx-version", "new"), "error: --nginx-version"),
        (("check", "--openssl-version", "new"), "error: --openssl-version"),
        (("check", "--policy", "mozilla-intermediat"), 'did you mean "mozilla-intermediate"?'),
        (("check", "--policy", "none.json"), "none.json"),
        (("check", "--map", "x"), "error: --map x: must have the form THERE=HERE"),
        (("check", "--map", "/a=none"), "does not exist"),
        (("check", "--root", "none"), "error: --root none: is not a folder"),
        (("check", "--trust", "none.pem"), "none.pem"),
        (("check", "--config", "none.yaml"), "cannot be read"),
        (("check", "--config", "a", "--no-config"), "cannot be combined"),
        (("check", "--baseline", "none.json"), "none.json"),
        (("check", "--write-baseline"), "add `--baseline FILE`"),
        (("check", "--format", "txt"), "text"),
        (("check", "--output", "no/folder/x.txt"), "no/folder/x.txt"),
        (("check", "--fail-on", "fatal"), "--fail-on"),
        (("check", "--sleect", "x"), "--sleect"),
        (("chekc",), 'did you mean "check"?'),
        (("explain", "missing-intermediat"), 'did you mean "missing-intermediate"?'),
    ],
)
def test_a_mistake_in_the_options_is_one_message_and_exit_code_2(
    folder: Path, args: tuple[str, ...], message: str
) -> None:
    done = run(*args, *(["clean.conf"] if args[0] == "check" else []), cwd=folder)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_nothing_to_check_is_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "readme.md").write_text("# nothing\n")
    done = run("check", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert "contains no nginx configuration" in done.stdout + done.stderr


# -- input -------------------------------------------------------------------------------------------------------------


def test_standard_input_is_linted(folder: Path) -> None:
    done = run("check", "-", *ONLY, cwd=folder, text=SITE)
    assert done.stdout.startswith("-:4:")
    assert done.returncode == 1


def test_a_folder_is_searched_and_named_files_are_told_alone(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "other.conf").write_text(SITE)
    assert len(run("check", ".", *ONLY, cwd=folder).stdout.splitlines()) >= 2
    done = run("check", "more/other.conf", *ONLY, cwd=folder)
    assert "more/other.conf:4:" in done.stdout
    assert "site.conf:4" not in done.stdout


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("binary.conf", b"\x7fELF\x00\x01\x02" * 100),
        ("prose.conf", b"Dear reader,\n\nthis is a letter. It has no braces.\n"),
        ("photo.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
        ("open.conf", b"server {\n    listen 443 ssl;\n"),
        ("closed.conf", b"server {\n    listen 443 ssl;\n}\n}\n"),
        ("words.conf", b"server {\n    listen 443 ssl\n}\n"),
        ("quote.conf", b'server {\n    server_name "a;\n}\n'),
        ("utf16.conf", SITE.encode("utf-16")),
    ],
)
def test_what_cannot_be_linted_is_one_message_and_the_rest_goes_on(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    done = run("check", name, "site.conf", *ONLY, cwd=folder)
    assert done.returncode == 2
    assert (done.stdout + done.stderr).count(name) == 1, done.stdout + done.stderr
    assert "site.conf:4:" in done.stdout


def test_devices_pipes_loops_and_dangling_links_are_told(folder: Path) -> None:
    os.mkfifo(folder / "pipe.conf")
    (folder / "dangling.conf").symlink_to("nowhere")
    (folder / "loop.conf").symlink_to("loop.conf")
    (folder / "null.conf").symlink_to("/dev/zero")
    names = ("pipe.conf", "dangling.conf", "loop.conf", "null.conf", "none.conf")
    done = run("check", *names, "site.conf", *ONLY, cwd=folder)
    assert done.returncode == 2
    assert "site.conf:4:" in done.stdout
    for name in names:
        assert name in done.stdout + done.stderr
    (folder / "round").symlink_to(".")
    assert run("check", ".", *ONLY, cwd=folder).stdout.count("site.conf:4:") == 1


def test_a_large_file_is_told(folder: Path) -> None:
    with (folder / "large.conf").open("wb") as stream:
        stream.truncate(100_000_000)
    done = run("check", "large.conf", "site.conf", *ONLY, cwd=folder)
    assert done.returncode == 2
    assert "large.conf" in done.stdout + done.stderr
    assert "site.conf:4:" in done.stdout


def test_hostile_names_and_texts_reach_no_terminal(folder: Path) -> None:
    name = "evil\x1b[31m\u202e\n.conf"
    (folder / name).write_text(SITE.replace("no-such-rule", "\x1b[2J"))
    for form in ("text", "concise"):
        done = run("check", name, "--format", form, cwd=folder)
        assert "\x1b" not in done.stdout + done.stderr
        assert "\u202e" not in done.stdout + done.stderr
    assert "\x1b" not in run("check", "none\x1b[31m", cwd=folder).stderr


def test_certificates_that_are_none_and_keys_in_their_place_are_told_without_their_content(folder: Path) -> None:
    secret = (ROOT / "fixtures" / "showcase" / "certs" / "shop.key").read_text()
    (folder / "key.pem").write_text(secret)
    (folder / "junk.pem").write_bytes(b"\x00junk")
    (folder / "site.conf").write_text(
        "".join(
            f"server {{ listen 443 ssl; server_name {name}.example.com; "
            f"ssl_certificate {name}.pem; ssl_certificate_key key.pem; }}\n"
            for name in ("key", "junk", "none")
        )
    )
    done = run("check", "site.conf", "--format", "text", "--pedantic", cwd=folder)
    assert done.returncode == 1, done.stderr
    for line in secret.splitlines():
        assert line not in done.stdout + done.stderr


def test_only_nginx_skips_what_is_none_in_silence(folder: Path) -> None:
    (folder / "prose.conf").write_text("Dear reader,\n\nthis is a letter.\n")
    done = run("check", "--only-nginx", "prose.conf", "clean.conf", *ONLY, cwd=folder)
    assert done.returncode == 0
    assert "prose" not in done.stdout + done.stderr


# -- settings, suppression, baseline -----------------------------------------------------------------------------------


def test_settings_are_found_named_and_refused(folder: Path) -> None:
    (folder / ".nginxtls.yaml").write_text("fail-on: error\n")
    assert run("check", "site.conf", *ONLY, cwd=folder).returncode == 0
    assert run("check", "site.conf", *ONLY, "--no-config", cwd=folder).returncode == 1
    assert run("check", "site.conf", *ONLY, "--fail-on", "warning", cwd=folder).returncode == 1
    (folder / "other.yaml").write_text("ignore: [suppression]\n")
    assert run("check", "site.conf", "--format", "concise", "--config", "other.yaml", cwd=folder).returncode != 2
    (folder / ".nginxtls.yaml").write_text("fail_on: error\n")
    done = run("check", "site.conf", *ONLY, cwd=folder)
    assert done.returncode == 2
    assert 'unknown key "fail_on"' in done.stderr
    assert 'did you mean "fail-on"?' in done.stderr


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("severity: {legacy-protcol: note}", 'did you mean "legacy-protocol"?'),
        ("ignore: [no-such-rule]", "for a list of all rules"),
        ("per-path-ignores: {a: [no-such-rule]}", "for a list of all rules"),
        ("policy: mozilla-intermediat", 'did you mean "mozilla-intermediate"?'),
    ],
)
def test_a_wrong_name_in_the_settings_is_told_with_their_file(folder: Path, text: str, help: str) -> None:
    (folder / ".nginxtls.yaml").write_text(text + "\n")
    done = run("check", "clean.conf", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {folder.resolve() / '.nginxtls.yaml'}: ")
    assert help in done.stderr


def test_a_baseline_keeps_old_sins_and_tells_of_those_that_are_gone(folder: Path) -> None:
    write = run("check", "site.conf", *ONLY, "--baseline", "known.json", "--write-baseline", cwd=folder)
    assert (write.returncode, write.stdout) == (0, "known.json: 1 finding\n")
    baseline = ("--baseline", "known.json", "--select", "suppression")
    assert run("check", "site.conf", *baseline, cwd=folder).returncode == 0
    (folder / "site.conf").write_text("\n\n# moved\n" + SITE)
    assert run("check", "site.conf", *baseline, cwd=folder).returncode == 0
    (folder / "site.conf").rename(folder / "shop.conf")
    assert run("check", "shop.conf", *baseline, cwd=folder).returncode == 0
    (folder / "site.conf").write_text(SITE.replace("no-such-rule", "another"))
    assert run("check", "site.conf", *baseline, cwd=folder).returncode == 1
    (folder / "site.conf").write_text(CLEAN)
    (folder / "shop.conf").unlink()
    done = run("check", "site.conf", *baseline, cwd=folder)
    assert done.returncode == 0
    assert "unknown-suppression" in done.stdout + done.stderr


# -- output ------------------------------------------------------------------------------------------------------------


def test_several_outputs_are_written_in_one_run(folder: Path) -> None:
    done = run("check", "site.conf", "--format", "concise", "--select", "suppression", "--output", "sarif:out.sarif",
               "--output", "json:out.json", cwd=folder)  # fmt: skip
    assert done.returncode == 1
    assert json.loads((folder / "out.sarif").read_text())["version"] == "2.1.0"
    assert json.loads((folder / "out.json").read_text())["findings"]
    assert "site.conf:4:" in done.stdout


def test_a_file_without_a_format_takes_the_place_of_standard_output(folder: Path) -> None:
    arguments = ("check", "site.conf", "--select", "suppression", "--format", "json")
    assert run(*arguments, "--output", "out.json", cwd=folder).stdout == ""
    assert json.loads((folder / "out.json").read_text())["findings"]
    done = run(*arguments, "--output", "out.json", "--output", "sarif:out.sarif", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads((folder / "out.sarif").read_text())["version"] == "2.1.0"


def test_what_stops_nginx_comes_first_when_sorted_by_severity(folder: Path) -> None:
    (folder / "all.conf").write_text(
        "events {}\nhttp {\n    server {\n        listen 443 ssl;\n"
        "        ssl_protocols SSLv3 TLSv1.2;\n        ssl_ciphers NOSUCH;\n    }\n}\n"
    )
    arguments = ("check", "all.conf", "--format", "concise", "--no-config", "--nginx-version", "1.26.3")
    by_file = run(*arguments, cwd=folder).stdout.splitlines()[:-2]
    by_severity = run(*arguments, "--sort", "severity", cwd=folder).stdout.splitlines()[:-2]
    assert sorted(by_file) == sorted(by_severity)
    assert "does not start" in by_severity[0]
    assert "does not start" not in by_file[0]
    kinds = [line.split(": ")[1].split("[")[0] for line in by_severity]
    assert kinds == sorted(kinds, key=["error", "warning", "note"].index)


def test_colour_is_used_when_it_is_asked_for(folder: Path) -> None:
    args = ("check", "site.conf", "--select", "suppression")
    assert "\x1b[" not in run(*args, cwd=folder).stdout
    assert "\x1b[" in run(*args, "--color", "always", cwd=folder).stdout
    assert "\x1b[" not in run(*args, "--color", "never", cwd=folder, FORCE_COLOR="1").stdout


def test_list_files_tells_what_is_taken(folder: Path) -> None:
    (folder / "readme.md").write_text("# nothing\n")
    done = run("check", ".", "--list-files", cwd=folder)
    assert done.stdout.split() == ["clean.conf", "site.conf"]
    assert done.returncode == 0


# -- other commands ----------------------------------------------------------------------------------------------------


def test_help_and_version(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout.startswith("nginxtls 0.")
    for command in ((), ("check",), ("rules",), ("explain",)):
        done = run(*command, "--help", cwd=tmp_path)
        assert done.returncode == 0
        assert "Usage: nginxtls" in done.stdout


def test_rules_are_listed_and_explained(tmp_path: Path) -> None:
    rows = json.loads(run("rules", "--format", "json", cwd=tmp_path).stdout)
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    for row in rows:
        assert row["summary"]
    assert "# unknown-suppression" in run("explain", "unknown-suppression", cwd=tmp_path).stdout


def test_python_m_is_the_same_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nginxtls", "--version"], capture_output=True, check=True, cwd=tmp_path
    )
    assert done.stdout.startswith(b"nginxtls 0.")
