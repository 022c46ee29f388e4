"""Includes that lead back and includes that multiply: reported, cut, and everything else goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

import nginxtls
from nginxtls.base.limits import LIMITS
from nginxtls.model import refusals

MAIN = "events {} http { include site.conf; server { listen 80; include loop.conf; } }"
MANY = 25


def test_an_include_that_leads_back_inside_a_server_ends(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(MAIN)
    (tmp_path / "site.conf").write_text("server { listen 443 ssl; ssl_protocols TLSv1.2; }\n")
    (tmp_path / "loop.conf").write_text("location / { include loop.conf; return 200; }\n")
    report = nginxtls.check(tmp_path)
    assert [failure.location.span.line for failure in report.failures if failure.location] == [1]
    assert "leads back to" in report.failures[0].reason
    assert report.servers == 2


def test_a_dump_whose_files_include_each_other_ends(tmp_path: Path) -> None:
    dump = tmp_path / "host.dump"
    dump.write_text(
        "# configuration file /etc/nginx/nginx.conf:\nhttp { server { listen 80; include /etc/nginx/*; } }\n"
        "# configuration file /etc/nginx/x:\nlocation / { include /etc/nginx/x; }\ninclude /etc/nginx/nginx.conf;\n"
    )
    report = nginxtls.check(dump)
    assert any("leads back to" in failure.reason for failure in report.failures)


def test_includes_that_double_each_time_are_cut_and_named(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text("events {} http { server { listen 443 ssl; include 0.conf; } }")
    for number in range(MANY):
        (tmp_path / f"{number}.conf").write_text(f"include {number + 1}.conf;\ninclude {number + 1}.conf;\n")
    (tmp_path / f"{MANY}.conf").write_text("ssl_protocols TLSv1.2;\n")
    report = nginxtls.check(tmp_path)
    assert any("add up to more than" in entry.reason for entry in report.not_checked)


def test_what_many_sites_include_is_no_excess(tmp_path: Path) -> None:
    (tmp_path / "tls.conf").write_text("ssl_protocols TLSv1.2 TLSv1.3;\n" + "# a comment\n" * 200)
    sites = "".join(f"server {{ listen 443 ssl; server_name s{n}.test; include tls.conf; }}\n" for n in range(2000))
    (tmp_path / "nginx.conf").write_text(f"events {{}}\nhttp {{\n{sites}}}\n")
    configuration = nginxtls.load(tmp_path / "nginx.conf")
    assert not configuration.tree.unresolved
    assert not [r for r in refusals(configuration) if "ssl_protocols" in r.message]


def test_includes_of_many_patterns_are_cut_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, "names", 400)
    files = "".join(f"# configuration file /c/{n}:\nssl_protocols TLSv1.2;\n" for n in range(50))
    main = "# configuration file /n.conf:\nhttp { " + "server { listen 443 ssl; include /c/*; }\n" * 50 + "}\n"
    (tmp_path / "host.dump").write_text(main + files)
    report = nginxtls.check(tmp_path / "host.dump")
    assert report.servers == 50
    assert any("bring in more than 400 files" in entry.reason for entry in report.not_checked)
