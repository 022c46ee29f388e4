"""Bad input of every kind: told in one message, in bounded time, and the rest of the run goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import nginxtls
from nginxtls.linting.settings import Settings
from nginxtls.model.nginx_test import refusals

CERTIFICATES = Path(__file__).parents[1] / "fixtures/certificates"

HEAD = "server { listen 443 ssl; ssl_protocols TLSv1.1; }\n"

HOSTILE = {
    "deep.conf": HEAD + "a {" * 100_000,
    "closed.conf": HEAD + "}" * 100_000,
    "quotes.conf": HEAD + '"a' * 100_000,
    "lines.conf": HEAD + 'a "\n' * 50_000,
    "escapes.conf": HEAD + "\\" * 200_000,
    "lua.conf": HEAD + "x_by_lua_block { " * 20_000,
    "brackets.conf": HEAD + "x_by_lua_block { " + "[" * 100_000,
    "names.conf": HEAD + "".join(f"set $x $UP{number};\n" for number in range(20_000)),
    "ifs.conf.j2": HEAD + "{% if a %}" * 50_000,
    "alternatives.conf.j2": HEAD
    + "".join(f"{{% if a{n} %}}ssl_protocols TLSv1;{{% else %}}ssl_ciphers A;{{% endif %}}\n" for n in range(5_000)),
    "elifs.conf.j2": HEAD + "{% if a %}" + "".join(f"{{% elif a{n} %}}ssl_protocols TLSv1;\n" for n in range(2_000)),
    "nested.conf.j2": HEAD + "".join(f"{{% if a{n} %}}\n" for n in range(2_000)) + "listen 443 ssl;",
    "open.conf.j2": HEAD + "{{ " * 100_000,
    "defaults.conf.j2": HEAD + '{{ a | default("' * 50_000,
    "ors.conf.j2": HEAD + "{{ " + "or " * 50_000 + "}}",
    "tags.conf.erb": HEAD + "<% " * 100_000,
    "code.conf.erb": HEAD + "<% " + "if a then " * 2_000 + "%>",
    "kong.conf": HEAD + "${{A}}\n> if\n" * 20_000,
    "marks.dump": "# configuration file /a:\n" * 50_000,
    "chain.dump": "".join(f"# configuration file /a{n}:\ninclude /a{n + 1};\n" for n in range(5_000)),
    "keys.yaml": "nginx.conf: |\n  server { listen 443 ssl; }\n" * 20_000,
    "volume.yaml": "nginx\n" + "- ./a" * 100_000 + ":/b\n",
    "Dockerfile": "nginx\n" + "RUN <<A\n" * 50_000,
    "ciphers.conf": "server { listen 443 ssl; ssl_ciphers HIGH:" + ":".join(f"X{n}" for n in range(8_000)) + "; }",
    "groups.conf": "server { listen 443 ssl; ssl_ecdh_curve X25519:" + ":".join(f"?Y{n}" for n in range(8_000)) + "; }",
    "Dockerfile.copy": "nginx\nCOPY " + "a \\\n" * 50_000 + "/etc/nginx/\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_bounded_time(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(HOSTILE[name])
    (tmp_path / "site.conf").write_text("server { listen 8443 ssl; ssl_protocols TLSv1.2; }\n")
    start = time.process_time()
    report = nginxtls.check(tmp_path / name, tmp_path / "site.conf", settings=Settings())
    assert time.process_time() - start < 60
    assert not [failure for failure in report.failures if "bug in nginxtls" in failure.help]
    assert any(finding.location.name.endswith("site.conf") for finding in report.findings)


BROKEN = {
    "server {\n  listen {{ port\n  ssl_protocols TLSv1.1;\n}\n": "the template tag is never closed",
    "server {\n  {% if a %}\n  listen 443 ssl;\n}\n": "the template's condition or loop is never closed",
    "server {\n  listen 443 ssl; {% endif %}\n}\n": "the template tag closes nothing",
    "server {\n  listen <%= a %> ssl;\n": 'the block "server" is not closed in this template',
}


@pytest.mark.parametrize("text", BROKEN)
def test_half_a_template_is_told_and_is_no_failure(tmp_path: Path, text: str) -> None:
    (tmp_path / "nginx.conf.j2").write_text(text)
    report = nginxtls.check(tmp_path, settings=Settings())
    assert BROKEN[text] in [entry.reason for entry in report.not_checked]
    assert not report.failures


def test_a_tag_inside_a_quoted_string(tmp_path: Path) -> None:
    line = 'server { listen 443 ssl; add_header X "{{ a "b" }}; {% if c %}d{% endif %}"; ssl_protocols TLSv1.2; }\n'
    (tmp_path / "nginx.conf.j2").write_text(line)
    report = nginxtls.check(tmp_path, settings=Settings(), select=["missing-tls13"])
    (finding,) = report.findings
    assert finding.location.span.column == line.index("ssl_protocols") + 1


def test_a_key_in_place_of_a_certificate_whose_issuer_stapling_needs(tmp_path: Path) -> None:
    for name in ("good.key", "with-ocsp.pem"):
        (tmp_path / name).write_bytes((CERTIFICATES / name).read_bytes())
    (tmp_path / "n.conf").write_text(
        "server { listen 443 ssl; ssl_stapling on; ssl_certificate good.key;"
        " ssl_certificate with-ocsp.pem; ssl_certificate with-ocsp.pem;"
        " ssl_certificate_key a; ssl_certificate_key b; ssl_certificate_key c; }\n"
    )
    refused = refusals(nginxtls.load(tmp_path / "n.conf"))
    assert any("good.key" in refusal.message for refusal in refused)


@pytest.mark.parametrize("name", [".nginxtls.yaml", "pyproject.toml", "site.conf", "good.pem", ".gitignore"])
def test_a_link_to_itself_names_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "n.conf").write_text(
        "server { listen 443 ssl; ssl_protocols TLSv1.1; include site.conf;"
        " ssl_certificate good.pem; ssl_certificate_key good.pem; }\n"
    )
    os.symlink(name, tmp_path / name)
    report = nginxtls.check(tmp_path)
    assert not report.failures
    assert "legacy-protocol" in {finding.rule for finding in report.findings}


def test_a_pattern_of_ignored_paths_that_is_too_long_ignores_nothing(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("**/" * 2_000 + "n.conf\n**/m.conf\n")
    for name in ("n.conf", "m.conf"):
        (tmp_path / name).write_text(HEAD)
    report = nginxtls.check(tmp_path, settings=Settings())
    assert {Path(finding.location.name).name for finding in report.findings} == {"n.conf"}


@pytest.mark.parametrize("value", [",", "-ALL,,TLSv1.2", "+", "-"])
def test_a_protocol_command_with_an_empty_word(tmp_path: Path, value: str) -> None:
    (tmp_path / "n.conf").write_text(
        f"server {{ listen 443 ssl; ssl_protocols TLSv1.1; ssl_conf_command Protocol {value}; }}"
    )
    assert not nginxtls.check(tmp_path / "n.conf", settings=Settings()).failures


def test_a_line_with_all_ports_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "n.conf").write_text(
        "events {} http { server { listen 1-65535 ssl; server_name a.example; ssl_certificate a.pem; }"
        " server { listen 1-65535; server_name b.example; ssl_certificate b.pem; } }\n"
    )
    report = nginxtls.check(tmp_path / "n.conf", settings=Settings(), nginx_version="1.26.3", openssl_version="3.5.1")
    assert [finding.rule for finding in report.findings].count("mixed-ssl-flags") == 1
