"""No line of any command's output is a command to a CI system, and nothing of the input controls a terminal."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nginxtls.base.errors import UsageError
from nginxtls.cli import print_error
from nginxtls.cli.application import app

NAME = "::error::x ##[error]y ##vso[task.z]\x1b[31m\x85\u202e\u2028"
SITE = (
    'server {{ listen 443 ssl; server_name "{name}" a.example;\n'
    'ssl_certificate "{name}"; ssl_certificate_key "{name}";\n'
    '# {name}\n ssl_ciphers "{name}:HIGH"; ssl_protocols TLSv1.1 "{name}"; include "{name}";\n'
    'location / {{ proxy_pass "https://{name}"; proxy_ssl_name "{name}"; }}\n}}\n'
)
COMMANDS = (
    *(f"check DIR --no-config -v --pedantic --format {form}" for form in ("text", "concise", "markdown")),
    *(f"check DIR --no-config --format {form}" for form in ("json", "gitlab", "junit", "checkstyle", "sarif")),
    "check DIR/n.conf --no-config --diff --unsafe-fixes",
    "check DIR --no-config --list-files",
    "check DIR/missing --no-config",
    "inventory DIR/n.conf --no-config",
    "inventory DIR/n.conf --no-config --format csv",
    "inventory DIR/n.conf --no-config --format json",
    "handshake DIR/n.conf --all --explain",
    "handshake DIR/n.conf --all --format json",
    "handshake DIR/n.conf --upstreams",
    "clients DIR/n.conf",
    "clients DIR/n.conf --format markdown",
    "clients DIR/n.conf --format json",
    "diff DIR/n.conf DIR/old.conf --no-config",
    "diff DIR/old.conf DIR/n.conf --no-config --format markdown",
    "diff DIR/n.conf DIR/old.conf --no-config --format json",
    "parse DIR/n.conf",
    "chain DIR/n.conf",
    "ciphers --nginx DIR/n.conf",
    "::error::x",
    "check --::error::x",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_output_is_inert(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "n.conf").write_text(SITE.format(name=NAME))
    (folder / "old.conf").write_text("server { listen 443 ssl; server_name a.example; }\n")
    words = [word.replace("DIR", NAME) for word in command.split()]
    done = CliRunner().invoke(app, words)
    if isinstance(done.exception, UsageError):
        print_error(done.exception)
    text = done.output + capsys.readouterr().err
    assert not re.search(r"^\s*::|##\w*\[", text, re.MULTILINE) or "--diff" in words
    controls = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c not in "\n\t"}
    assert not controls or "--diff" in words  # a patch has the file's own characters


LINKS = "https://evil.example www.evil.example @someone #12 <b> [a](b)"


@pytest.mark.parametrize(
    "command", ["check n.conf --format markdown", "diff old.conf n.conf --format markdown", "clients n.conf"]
)
def test_nothing_of_the_input_is_a_link(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub makes links of names, numbers and addresses without any mark."""
    monkeypatch.chdir(tmp_path)
    names = " ".join(f'"{word}"' for word in LINKS.split())
    site = f"server {{ listen 443 ssl; server_name {names}; ssl_ciphers '{LINKS}:HIGH'; "
    (tmp_path / "n.conf").write_text(site + 'ssl_certificate "https://evil.example/www.evil.example"; }')
    (tmp_path / "old.conf").write_text("server { listen 443 ssl; server_name a.example; }")
    words = command.split() if "--format" in command else [*command.split(), "--format", "markdown"]
    text = CliRunner().invoke(app, words).stdout
    assert "evil.example" in text
    assert not re.search(r"https://evil|www\.|@someone|#12|<b>|[^\\]\]\(b", text)
