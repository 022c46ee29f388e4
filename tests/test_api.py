"""The Python API: what scripts and test suites of others use."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest

import nginxtls
from nginxtls.model import handshake

ROOT = Path(__file__).parents[1]


@pytest.fixture
def showcase(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "fixtures" / "showcase", tmp_path / "showcase"))


def test_the_public_names_are_there() -> None:
    for name in nginxtls.__all__:
        assert getattr(nginxtls, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nginxtls.nothing  # noqa: B018


def test_a_configuration_is_loaded_with_its_handshakes(showcase: Path) -> None:
    configuration = nginxtls.load(showcase / "nginx.conf", nginx_version="1.26.3", openssl_version="3.5.1")
    reported = handshake(configuration, "192.0.2.1", 443, "shop.example.com").to_dict()
    assert reported["server"]["names"] == ["shop.example.com", "www.shop.example.com"]
    assert str(configuration.facts.nginx) == "1.26.3"


def test_what_cannot_be_loaded_raises(tmp_path: Path) -> None:
    with pytest.raises(nginxtls.UsageError, match="no nginx configuration"):
        nginxtls.load(tmp_path)
    with pytest.raises(nginxtls.UsageError, match="no such file"):
        nginxtls.load(tmp_path / "nginx.conf")
    with pytest.raises(nginxtls.UsageError, match="version"):
        nginxtls.load(tmp_path, nginx_version="new")


def test_a_report_has_typed_findings_and_obeys_the_settings_file(showcase: Path) -> None:
    (showcase / "nginx.conf").write_text((showcase / "nginx.conf").read_text() + "# nginxtls: ignore[nothing]\n")
    report = nginxtls.check(showcase, select=["suppression"], at=datetime(2026, 6, 1, tzinfo=timezone.utc))
    (finding,) = report.warnings
    assert (finding.rule, finding.location.span.column) == ("unknown-suppression", 20)
    assert finding.location.file.path == str(showcase / "nginx.conf")
    assert report.errors == ()
    assert report.files == 4
    assert report.servers == 4
    assert report.certificates == 2
    assert report.at == datetime(2026, 6, 1, tzinfo=timezone.utc)
    (showcase / ".nginxtls.yaml").write_text("select: [suppression]\nignore: [unknown-suppression]\n")
    assert nginxtls.check(showcase).findings == ()
    assert len(nginxtls.check(showcase, select=["unknown-suppression"]).findings) == 1


def test_the_endpoints_are_in_the_report(showcase: Path) -> None:
    rows = {row.name: row for row in nginxtls.check(showcase).endpoints}
    row = rows["shop.example.com, www.shop.example.com"]
    assert (row.socket, row.protocols) == ("*:443", ("TLSv1.2",))
    assert row.not_after == datetime(2044, 1, 1, tzinfo=timezone.utc)


def test_absolute_paths_are_found_below_a_root_and_by_maps(tmp_path: Path) -> None:
    main = "events {}\nhttp {\n    include /etc/nginx/sites/*.conf;\n}\n"
    site = "server {\n    listen 443 ssl; # nginxtls: ignore[nothing]\n}\n"
    for folder in ("image/etc/nginx", "deploy"):
        (tmp_path / folder / "sites").mkdir(parents=True)
        (tmp_path / folder / "nginx.conf").write_text(main)
        (tmp_path / folder / "sites" / "a.conf").write_text(site)
    image = nginxtls.check(tmp_path / "image/etc/nginx", root=tmp_path / "image", select=["suppression"])
    mapped = nginxtls.check(tmp_path / "deploy", maps={"/etc/nginx": str(tmp_path / "deploy")}, select=["suppression"])
    for report in (image, mapped):
        assert len(report.findings) == 1
        assert report.not_checked == ()
