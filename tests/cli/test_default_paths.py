"""The folders that a command without paths reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from nginxtls.cli.values import default_paths


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["etc/nginx/nginx.conf"], ["etc/nginx"]),
        (["usr/local/etc/nginx/nginx.conf"], ["usr/local/etc/nginx"]),
        (["usr/local/openresty/nginx/conf/nginx.conf"], ["usr/local/openresty/nginx/conf"]),
        (["etc/nginx/mime.types", "usr/local/nginx/conf/nginx.conf"], ["usr/local/nginx/conf"]),
        (["etc/nginx/nginx.conf", "usr/local/nginx/conf/nginx.conf"], ["etc/nginx", "usr/local/nginx/conf"]),
        ([], ["etc/nginx"]),
    ],
)
def test_each_nginx_below_a_root_is_read(files: list[str], found: list[str], tmp_path: Path) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("events {}\n")
    assert default_paths([], str(tmp_path)) == [str(tmp_path / folder) for folder in found]


def test_a_folder_that_is_a_link_is_read_once_and_a_link_out_of_the_root_not_at_all(tmp_path: Path) -> None:
    conf = tmp_path / "root/usr/local/openresty/nginx/conf"
    conf.mkdir(parents=True)
    (conf / "nginx.conf").write_text("events {}\n")
    (tmp_path / "root/etc").mkdir()
    (tmp_path / "root/etc/openresty").symlink_to("/usr/local/openresty/nginx/conf")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/nginx.conf").write_text("events {}\n")
    (tmp_path / "root/usr/local/nginx").mkdir()
    (tmp_path / "root/usr/local/nginx/conf").symlink_to("../../../../outside")
    assert default_paths([], str(tmp_path / "root")) == [str(conf)]
