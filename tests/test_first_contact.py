"""The first run: a host, a mounted image, a repository and a dump of one server say what the complete run says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nginxtls
from nginxtls import api
from nginxtls.cli.chain import _read
from nginxtls.linting.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.linting.report import Report

CERTIFICATES = Path(__file__).parent.parent / "fixtures" / "certificates"
AT = datetime(2026, 6, 15, tzinfo=timezone.utc)
VERSIONS = {"nginx_version": "1.22.1", "openssl_version": "1.1.1w"}

MAIN = """\
user www-data;
include {prefix}/etc/nginx/modules-enabled/*.conf;
events {{}}
http {{
    include {prefix}/etc/nginx/mime.types;
    ssl_protocols TLSv1.2 TLSv1.3;
    include {prefix}/etc/nginx/conf.d/*.conf;
    include {prefix}/etc/nginx/sites-enabled/*;
}}
"""
SITE = """\
server {{
    listen 443 ssl;
    server_name {name};
    ssl_certificate {prefix}/etc/letsencrypt/live/{name}/fullchain.pem;
    ssl_certificate_key {prefix}/etc/letsencrypt/live/{name}/privkey.pem;
    add_header Strict-Transport-Security "max-age=300" always;
    include {prefix}/etc/letsencrypt/options-ssl-nginx.conf;
    location / {{
        proxy_pass https://backend.example.com;
    }}
}}
"""
OPTIONS = "ssl_protocols SSLv3 TLSv1.2;\nssl_session_tickets off;\n"
FAULTS = {
    ("obsolete-ssl", "options-ssl-nginx.conf"),
    ("missing-tls13", "options-ssl-nginx.conf"),
    ("short-hsts", "shop"),
    ("name-mismatch", "shop"),
    ("unverified-upstream", "shop"),
}
"""What must be among the findings about the server of ``certbot``, whichever way it is looked at."""


def certbot(root: Path, prefix: str = "") -> Path:
    """Debian's nginx with a site of certbot's, and one that is switched off; ``prefix`` stands before all paths."""
    etc = root / "etc"
    for folder in ("nginx/conf.d", "nginx/modules-enabled", "nginx/sites-available", "nginx/sites-enabled"):
        (etc / folder).mkdir(parents=True)
    (etc / "nginx/mime.types").write_text("types { text/html html; }\n")
    (etc / "nginx/nginx.conf").write_text(MAIN.format(prefix=prefix))
    for site, name in (("shop", "shop.example.com"), ("old", "old.example.com")):
        (etc / "nginx/sites-available" / site).write_text(SITE.format(prefix=prefix, name=name))
        archive, live = etc / "letsencrypt/archive" / name, etc / "letsencrypt/live" / name
        archive.mkdir(parents=True)
        live.mkdir(parents=True)
        for kind, file in (("fullchain", "good.pem"), ("privkey", "good.key")):
            shutil.copy(CERTIFICATES / file, archive / f"{kind}1.pem")
            (archive / f"{kind}1.pem").chmod(0o600)
            (live / f"{kind}.pem").symlink_to(f"../../archive/{name}/{kind}1.pem")
    (etc / "nginx/sites-enabled/shop").symlink_to(f"{prefix}/etc/nginx/sites-available/shop")
    (etc / "letsencrypt/options-ssl-nginx.conf").write_text(OPTIONS)
    return etc / "nginx"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The server as it is seen from itself: its paths are what they say."""
    return certbot(tmp_path / "host", str(tmp_path / "host"))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The same server, mounted somewhere."""
    return certbot(tmp_path / "image").parent.parent


def check(*paths: Path | str, root: Path | str | None = None, **options: object) -> Report:
    return nginxtls.check(*paths, settings=Settings(), root=root, at=AT, **VERSIONS | options)  # type: ignore[arg-type]


def complete(host: Path) -> Report:
    """The run with every option: the main file, on the server itself."""
    return check(host / "nginx.conf", root="/")


def counting(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if not finding.group]


def summary(report: Report, root: Path) -> set[tuple[str, ...]]:
    """The findings without where the server is."""
    return {
        (
            finding.rule,
            str(finding.severity),
            os.path.basename(finding.location.name),
            str(finding.location.span.line),
            finding.message.replace(str(root), ""),
            *finding.endpoints,
        )
        for finding in counting(report)
    }


def rules_and_files(report: Report) -> set[tuple[str, str]]:
    return {(finding.rule, os.path.basename(finding.location.name)) for finding in counting(report)}


def run(*arguments: str | Path, cwd: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nginxtls", *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True, cwd=cwd, timeout=60, check=False)


# -- one server, five ways ---------------------------------------------------------------------------------------------


def test_the_complete_run(host: Path) -> None:
    assert rules_and_files(complete(host)) >= FAULTS


def test_a_folder_is_reported_with_all_that_its_main_file_includes(host: Path) -> None:
    root = host.parent.parent
    assert summary(check(host, root="/"), root) == summary(complete(host), root)


@pytest.mark.parametrize("folder", ["sites-enabled", "sites-available", "../nginx/sites-enabled/"])
def test_a_folder_of_sites_is_reported_with_all_that_they_include(host: Path, folder: str) -> None:
    report = check(host / folder, root="/")
    assert rules_and_files(report) >= FAULTS
    assert {name for _, name in rules_and_files(report)} == {"shop", "options-ssl-nginx.conf"}


def test_only_named_files_narrow_the_report(host: Path) -> None:
    report = check(host / "sites-enabled/shop", root="/")
    assert {finding.location.name for finding in report.findings} == {str(host / "sites-available/shop")}
    reading = api.read([str(host / "nginx.conf")], Settings(), root="/", at=AT, only_nginx=True)
    assert {file.name for subject in reading.subjects for file in subject.requested} == {str(host / "nginx.conf")}


def test_a_mounted_image_is_reported_as_its_host(host: Path, image: Path) -> None:
    reported = summary(check(image / "etc/nginx", root=image), image)
    assert reported == summary(complete(host), host.parent.parent)


def test_a_dump_with_its_file_system_is_reported_as_its_host(host: Path, image: Path) -> None:
    names = ("nginx/nginx.conf", "nginx/mime.types", "nginx/sites-enabled/shop", "letsencrypt/options-ssl-nginx.conf")
    dump = image.parent / "dump.txt"
    dump.write_text(
        "".join(
            f"# configuration file /etc/{name}:\n{(image / 'etc' / name.replace('enabled', 'available')).read_text()}\n"
            for name in names
        )
    )
    reported = rules_and_files(check(dump, root=image))
    assert reported == rules_and_files(complete(host))
    # Without the file system all that rests on certificates is missing, and nothing else is said.
    bare = rules_and_files(check(dump))
    assert bare < reported
    assert {rule for rule, _ in reported - bare} == {"name-mismatch", "untrusted-root"}


def test_a_repository_is_reported_as_far_as_it_goes(host: Path, image: Path) -> None:
    repository = image.parent / "repository"
    (repository / ".git").mkdir(parents=True)
    shutil.copytree(image / "etc/nginx", repository / "deploy/nginx", symlinks=True)
    report = check(repository)
    assert ("short-hsts", "shop") in rules_and_files(report)
    assert rules_and_files(report) <= rules_and_files(complete(host))
    subjects = {entry.subject for entry in report.not_checked}
    assert "/etc/letsencrypt/options-ssl-nginx.conf" in subjects
    assert not any("modules-enabled" in subject for subject in subjects)


def test_the_text_names_the_includes_that_could_not_be_read(image: Path) -> None:
    (image / ".git").mkdir()
    shutil.rmtree(image / "etc/letsencrypt")
    done = run("check", "etc/nginx", "--no-cache", cwd=image)
    assert "not checked: /etc/letsencrypt/options-ssl-nginx.conf: " in done.stdout


# -- --root ------------------------------------------------------------------------------------------------------------


def test_the_default_path_is_in_the_root(image: Path) -> None:
    done = run("check", "--root", image, "--no-cache", "--format", "concise", cwd=image.parent)
    assert "image/etc/letsencrypt/options-ssl-nginx.conf:1:15: error[obsolete-ssl]" in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("handshake", "--servername", "shop.example.com", "--openssl-version", "1.1.1w"), "TLSv1.2 "),
        (("inventory",), "CN=example.com"),
        (("chain", "/etc/letsencrypt/live/shop.example.com/fullchain.pem"), "sends 2 certificates"),
        (("chain", "image/etc/letsencrypt/live/shop.example.com/fullchain.pem"), "sends 2 certificates"),
        (("diff", "/etc/nginx/nginx.conf", "image/other.conf"), "shop.example.com on *:443\n  was removed"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_every_command_takes_the_root(image: Path, arguments: tuple[str, ...], reported: str) -> None:
    (image / "other.conf").write_text("events {}\nhttp { server { listen 80; } }\n")
    done = run(*arguments, "--root", "image", cwd=image.parent)
    assert reported in done.stdout, done.stderr


def test_an_absolute_path_is_that_of_the_root(image: Path) -> None:
    """Also where this machine has a file of that name, and where links of the root lead to it."""
    (image / "srv").mkdir()
    (image / "srv/conf").symlink_to("/etc/nginx")
    here = image.parent / "here"
    (image / str(here)[1:]).mkdir(parents=True)
    for folder, name in ((here, "local"), (image / str(here)[1:], "inside")):
        folder.mkdir(exist_ok=True)
        (folder / "nginx.conf").write_text(f"events {{}} http {{ server {{ listen 80; server_name {name}; }} }}")
    done = run("check", here / "nginx.conf", "/srv/conf", "--root", "image", "--list-files", cwd=image.parent)
    assert f"image{here}/nginx.conf" in done.stdout
    assert "image/etc/nginx/nginx.conf" in done.stdout
    (image / str(here)[1:] / "nginx.conf").unlink()
    done = run("check", here / "nginx.conf", "--root", "image", "--list-files", cwd=image.parent)
    assert done.stdout == "here/nginx.conf\n"


def test_links_resolve_in_the_root_at_every_component(image: Path, host: Path) -> None:
    """As in a chroot: the folder of the configuration, a site, a certificate's folder."""
    (image / "srv").mkdir()
    shutil.move(image / "etc/nginx", image / "srv/nginx")
    (image / "etc/nginx").symlink_to("/srv/nginx")
    shutil.move(image / "etc/letsencrypt/archive", image / "srv/archive")
    (image / "etc/letsencrypt/archive").symlink_to("../../../../srv/archive")
    assert summary(check(image / "etc/nginx", root=image), image) == summary(complete(host), host.parent.parent)


def test_nothing_of_this_machine_is_read_for_an_image(image: Path) -> None:
    (image / "etc/nginx/sites-available/shop").unlink()
    (image.parent / "secret.conf").write_text("ssl_protocols SSLv3;\n")
    enabled = image / "etc/nginx/sites-enabled"
    for name, target in {
        "a": str(image.parent / "secret.conf"),
        "b": "../../../../secret.conf",
        "c": "c",
        "d": "/proc/self/environ",
    }.items():
        (enabled / name).symlink_to(target)
    report = check(image / "etc/nginx", root=image)
    gone = [finding.message for finding in report.findings if finding.rule == "missing-include"]
    assert gone == [
        f"nginx does not start: the included file /etc/nginx/sites-enabled/{name} is {how}"
        for name, how in {
            "a": f"a link to {image.parent}/secret.conf, which does not exist",
            "b": "a link to ../../../../secret.conf, which does not exist",
            "c": "a symbolic link loop",
            "d": "a link to /proc/self/environ, which does not exist",
            "shop": "a link to /etc/nginx/sites-available/shop, which does not exist",
        }.items()
    ]


# -- includes that are not there ---------------------------------------------------------------------------------------


def test_a_missing_include_is_an_error_on_a_host_and_not_checked_in_a_repository(image: Path) -> None:
    (image / "etc/letsencrypt/options-ssl-nginx.conf").unlink()
    (found,) = [f for f in check(image / "etc/nginx", root=image).findings if f.rule == "missing-include"]
    assert found.message == (
        "nginx does not start: the included file /etc/letsencrypt/options-ssl-nginx.conf does not exist"
    )
    assert (os.path.basename(found.location.name), found.location.span.line) == ("shop", 7)
    (image / ".git").mkdir()
    report = check(image)
    assert "missing-include" not in {finding.rule for finding in report.findings}
    assert ("/etc/letsencrypt/options-ssl-nginx.conf", "outside the folders that may be read") in {
        (entry.subject, entry.reason) for entry in report.not_checked
    }


@pytest.mark.parametrize("whole", [True, False])
def test_links_to_modules_in_a_copy_of_etc_alone(image: Path, whole: bool) -> None:
    """Debian's modules-enabled/ has links to /usr/share/nginx: a copy of /etc lacks them, a server has them."""
    (image / "etc/nginx/modules-enabled/50-mod-mail.conf").symlink_to(
        "/usr/share/nginx/modules-available/mod-mail.conf"
    )
    if whole:
        (image / "usr/share").mkdir(parents=True)
    rules = {finding.rule for finding in check(image / "etc/nginx", root=image).findings}
    assert ("missing-include" in rules) is whole
    assert "obsolete-ssl" in rules


def test_the_rest_is_reported_beside_a_link_that_leads_nowhere(host: Path) -> None:
    before = summary(complete(host), host)
    (host / "sites-enabled/gone").symlink_to(host / "sites-available/gone")
    after = summary(complete(host), host)
    assert before < after
    assert {rule for rule, *_ in after - before} == {"missing-include"}


def test_a_certificate_that_is_a_link_to_nothing(image: Path) -> None:
    shutil.rmtree(image / "etc/letsencrypt/archive")
    reported = {finding.message for finding in check(image / "etc/nginx", root=image).findings}
    assert (
        "nginx does not start: /etc/letsencrypt/live/shop.example.com/fullchain.pem is a link to "
        "../../archive/shop.example.com/fullchain1.pem, which does not exist"
    ) in reported


def test_a_folder_in_place_of_a_certificate_stops_nginx(image: Path) -> None:
    live = image / "etc/letsencrypt/live/shop.example.com"
    (live / "fullchain.pem").unlink()
    (live / "fullchain.pem").mkdir()
    reported = [finding.message for finding in check(image / "etc/nginx", root=image).findings]
    assert "nginx does not start: /etc/letsencrypt/live/shop.example.com/fullchain.pem is a folder" in reported


def test_a_folder_that_is_included_stops_nginx(image: Path) -> None:
    (image / "etc/nginx/sites-enabled/old.d").mkdir()
    reported = [finding.message for finding in check(image / "etc/nginx", root=image).findings]
    assert 'nginx does not start: pread() "/etc/nginx/sites-enabled/old.d" failed (is a directory)' in reported


# -- nothing to check --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", ["text", "concise", "json", "sarif", "github", "gitlab", "junit", "checkstyle", "html"]
)
def test_a_main_file_without_servers_never_ends_quietly(tmp_path: Path, form: str) -> None:
    (tmp_path / "nginx.conf").write_text("events {}\nhttp { include /etc/nginx/conf.d/*.conf; }\n")
    done = run("check", "nginx.conf", "--no-cache", "--format", form, cwd=tmp_path)
    assert done.returncode == 2
    assert "nothing was checked" in done.stdout or (form == "gitlab" and "nothing of nginx.conf" in done.stdout)
    (tmp_path / "other.conf").write_text("events {}\nhttp { server { listen 80; } }\n")
    done = run("check", "nginx.conf", "other.conf", "--no-cache", "--format", form, cwd=tmp_path)
    assert done.returncode == 0
    assert "nothing of nginx.conf is checked" in done.stdout


def test_the_hook_is_not_stopped_by_a_main_file_without_servers(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text("events {}\nhttp { include /etc/nginx/conf.d/*.conf; }\n")
    (tmp_path / "empty.conf").write_text("# nothing\n")
    assert run("check", "--only-nginx", "nginx.conf", "empty.conf", cwd=tmp_path).returncode == 0


def test_a_named_file_that_is_empty(tmp_path: Path) -> None:
    (tmp_path / "site.conf").write_text("# nothing\n")
    done = run("check", "site.conf", cwd=tmp_path)
    assert done.returncode == 2
    assert "site.conf: empty, so there is nothing to check" in done.stdout


# -- stock files -------------------------------------------------------------------------------------------------------

STOCK = """\
events {{}}
http {{
    {outer}
    server {{
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_client_certificate certificates/client-ca.pem;
        ssl_verify_client optional;
        location / {{
            {inner}
            proxy_pass https://backend.example.com;
        }}
    }}
}}
"""


@pytest.mark.parametrize(
    ("outer", "inner", "silenced"),
    [
        ("include mime.types;", "", False),
        ("include /etc/nginx/mime.types;", "include proxy_params;", False),
        ("charset_types x; include koi-utf; include /etc/nginx/win-utf;", "include fastcgi_params;", False),
        ("include /etc/nginx/settings.conf;", "", True),
        ("include my_mime.types;", "", True),
        ("include /etc/nginx/conf.d/*.conf;", "", True),
    ],
)
def test_a_stock_file_that_is_not_there_silences_nothing(
    tmp_path: Path, outer: str, inner: str, silenced: bool
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "nginx.conf").write_text(STOCK.format(outer=outer, inner=inner))
    report = check(tmp_path)
    reported = {finding.rule for finding in report.findings} & {"unchecked-client-certificate", "unverified-upstream"}
    assert reported == (set() if silenced else {"unchecked-client-certificate", "unverified-upstream"})
    left = [entry.subject for entry in report.not_checked if not entry.subject.startswith("certificates/")]
    assert left == ([outer.removeprefix("include ").rstrip(";")] if silenced else [])


def test_a_copy_of_etc_nginx_lacks_only_its_empty_folders(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "nginx.conf").write_text(STOCK.format(outer="include /etc/nginx/conf.d/*.conf;", inner=""))
    (tmp_path / "fastcgi_params").write_text("fastcgi_param HTTPS $https;\n")
    assert "unverified-upstream" in {finding.rule for finding in check(tmp_path).findings}
    # A container that has something there is another matter.
    (tmp_path / "compose.yml").write_text("services:\n  web:\n    volumes:\n      - ./sites:/etc/nginx/conf.d\n")
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites/a.conf.txt").write_text("")
    assert "unverified-upstream" in {finding.rule for finding in check(tmp_path).findings}


# -- sites that are not enabled ----------------------------------------------------------------------------------------


def test_a_site_that_nothing_enables_is_a_group_of_its_own(image: Path) -> None:
    report = check(image / "etc/nginx", root=image)
    off = [finding for finding in report.findings if finding.group == "not enabled"]
    assert off
    assert report.findings[-len(off) :] == tuple(off)
    for finding in off:
        assert os.path.basename(finding.location.name) == "old"
        assert str(finding.severity) == "note"
        assert not finding.endpoints
        assert finding.message.endswith("(not enabled)")
    assert not any("old.example.com" in name for finding in counting(report) for name in finding.endpoints)
    assert not any("old.example.com" in endpoint.name for endpoint in report.endpoints)
    assert [entry.subject for entry in report.not_checked if "not enabled" in entry.reason] == [
        str(image / "etc/nginx/sites-available/old")
    ]


def test_a_site_that_is_not_enabled_never_sets_the_exit_code(image: Path) -> None:
    clean = "server { listen 80; server_name shop.example.com; return 200; }\n"
    (image / "etc/nginx/sites-available/shop").write_text(clean)
    (image / "etc/nginx/sites-available/old").write_text("server {\n    listen 443 ssl;\n    ssl_protocols SSLv3;\n")
    common = ("--root", image, "--no-cache", "--fail-on", "note")
    done = run("check", *common, cwd=image)
    assert done.returncode == 0, done.stdout
    (image / "etc/nginx/sites-available/old").write_text(
        "server {\n    listen 443 ssl;\n    ssl_protocols SSLv3;\n}\n# nginxtls: ignore[no-such-rule]\n"
    )
    done = run("check", *common, cwd=image)
    assert "not enabled (these findings do not count for the exit code):\n\nnote[obsolete-ssl]" in done.stdout
    assert done.returncode == 0
    reported = json.loads(run("check", *common, "--format", "json", cwd=image).stdout)
    assert {finding["group"] for finding in reported["findings"]} == {"not enabled"}
    named = run("check", "etc/nginx/sites-available/old", *common, cwd=image)
    assert "error[obsolete-ssl]" in named.stdout
    assert named.returncode == 1


def test_in_a_repository_only_a_site_beside_the_links_is_known_to_be_off(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "sites-available").mkdir()
    (tmp_path / "sites-available/a").write_text("server {\n    listen 443 ssl;\n    ssl_protocols SSLv3;\n}\n")

    def groups() -> set[str]:
        return {finding.group for finding in check(tmp_path).findings if finding.rule == "obsolete-ssl"}

    assert groups() == {""}
    (tmp_path / "sites-enabled").mkdir()
    assert groups() == {"not enabled"}
    (tmp_path / "sites-enabled/a.conf").symlink_to("/usr/local/etc/nginx/sites-available/a")
    assert groups() == {""}


# -- containers --------------------------------------------------------------------------------------------------------

TEMPLATE = """\
server {
    listen 443 ssl;
    server_name ${DOMAIN};
    ssl_certificate /certs/good.pem;
    ssl_certificate_key /certs/good.key;
    ssl_protocols $PROTOCOL;
}
"""
COMPOSE = """\
services:
  other:
    image: redis
    environment:
      PROTOCOL: none
  web:
    image: nginx:1.27  # the official one
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro
      - ./templates:/etc/nginx/templates
      - ./certs:/certs
    environment:
      {environment}
"""


@pytest.fixture
def containers(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "certs").mkdir()
    for name in ("good.pem", "good.key"):
        shutil.copy(CERTIFICATES / name, tmp_path / "certs")
    (tmp_path / "nginx.conf").write_text("events {}\nhttp {\n    include /etc/nginx/conf.d/*.conf;\n}\n")
    (tmp_path / "templates/shop.conf.template").write_text(TEMPLATE)
    return tmp_path


def test_a_value_of_several_words(containers: Path) -> None:
    (containers / "compose.yml").write_text(COMPOSE.format(environment='PROTOCOL: "TLSv1 TLSv1.2"'))
    reported = {finding.rule: finding for finding in check(containers).findings}
    assert "TLS 1.0" in reported["missing-tls13"].message
    assert reported["protocol-gap"].confidence.value == "likely"


@pytest.mark.parametrize(
    "environment",
    [
        "- PROTOCOL=TLSv1.2\n      - 'DOMAIN=shop.example.com'",
        'PROTOCOL: "TLSv1.2"  # old\n      DOMAIN: shop.example.com',
        "- PROTOCOL=${TLS:-TLSv1.2}\n      - DOMAIN=shop.example.com",
    ],
)
def test_templates_of_the_official_image_with_values_of_the_environment(containers: Path, environment: str) -> None:
    (containers / "compose.yml").write_text(COMPOSE.format(environment=environment))
    report = check(containers)
    reported = {finding.rule: finding for finding in report.findings}
    assert reported["missing-tls13"].endpoints == ("shop.example.com on *:443",)
    assert reported["missing-tls13"].confidence.value == "likely"
    assert reported["name-mismatch"].message.startswith("the certificate does not cover shop.example.com")
    assert report.servers == 1
    assert not report.failures
    assert [entry.subject for entry in report.not_checked] == []


def test_templates_that_a_dockerfile_copies(containers: Path) -> None:
    (containers / "Dockerfile").write_text(
        "FROM nginx:1.27\nENV PROTOCOL=TLSv1.2 DOMAIN=shop.example.com\nCOPY nginx.conf /etc/nginx/\n"
        "COPY templates/*.template /etc/nginx/templates/\nCOPY certs /certs\n"
    )
    reported = {finding.rule: finding for finding in check(containers).findings}
    assert reported["missing-tls13"].endpoints == ("shop.example.com on *:443",)


def test_an_image_that_fills_in_its_templates(image: Path) -> None:
    site = image / "etc/nginx/templates/shop.conf.template"
    site.parent.mkdir()
    shutil.move(image / "etc/nginx/sites-available/shop", site)
    (image / "etc/nginx/sites-enabled/shop").unlink()
    assert ("name-mismatch", "shop.conf.template") not in rules_and_files(check(image / "etc/nginx", root=image))
    script = image / "docker-entrypoint.d/20-envsubst-on-templates.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    assert ("name-mismatch", "shop.conf.template") in rules_and_files(check(image / "etc/nginx", root=image))


def test_values_on_which_containers_differ_are_not_assumed(containers: Path) -> None:
    (containers / "compose.yml").write_text(COMPOSE.format(environment="PROTOCOL: TLSv1.3"))
    (containers / "Dockerfile").write_text("FROM nginx\nCOPY templates /etc/nginx/templates\n")
    (containers / "compose.dev.yml").write_text("services:\n  web:\n    environment:\n      DOMAIN: a.example.com\n")
    (containers / "compose.prod.yml").write_text("services:\n  web:\n    environment:\n      DOMAIN: b.example.com\n")
    (containers / "compose.test.yml").write_text(COMPOSE.format(environment="PROTOCOL: TLSv1.2"))
    report = check(containers)
    assert not {"missing-tls13", "name-mismatch"} & {finding.rule for finding in report.findings}


def test_the_last_line_of_a_compose_file_counts(containers: Path) -> None:
    text = COMPOSE.format(environment="PROTOCOL: TLSv1.2").rstrip()
    (containers / "compose.yml").write_text("x-top:\n  volumes:\n    - ./a:/a\n" + text)
    assert "missing-tls13" in {finding.rule for finding in check(containers).findings}


# -- rights ------------------------------------------------------------------------------------------------------------

DENIED = """\
nginx: [alert] could not open error log file: open() "/var/log/nginx/error.log" failed (13: Permission denied)
2026/11/29 07:55:13 [warn] 23186#23186: the "user" directive makes sense only if the master process runs with \
super-user privileges, ignored in /etc/nginx/nginx.conf:1
2026/11/29 07:55:13 [emerg] 23186#23186: cannot load certificate "/etc/letsencrypt/live/a/fullchain.pem": \
BIO_new_file() failed (SSL: error:8000000D:system library::Permission denied:calling fopen)
nginx: configuration file /etc/nginx/nginx.conf test failed
"""
UNKNOWN = """\
nginx: [emerg] unknown directive "sll_protocols" in /etc/nginx/nginx.conf:3
nginx: configuration file /etc/nginx/nginx.conf test failed
"""


@pytest.mark.parametrize(
    ("text", "reported", "help"),
    [
        (DENIED, "cannot load certificate", "sudo nginx -T | nginxtls check -"),
        (UNKNOWN, 'unknown directive "sll_protocols"', "fix this first"),
        ("", "empty", "sudo nginx -T | nginxtls check -"),
    ],
)
def test_the_output_of_a_run_of_nginx_that_failed(tmp_path: Path, text: str, reported: str, help: str) -> None:
    piped = run("check", "-", cwd=tmp_path, text=text)
    assert piped.returncode == 2
    assert reported in piped.stdout
    assert help in " ".join(piped.stdout.split())
    if text:
        (tmp_path / "dump.txt").write_text(text)
        kept = run("check", "dump.txt", cwd=tmp_path)
        assert kept.returncode == 2
        assert reported in kept.stdout


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="nginxtls-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try what others may not read")
def test_what_this_user_may_not_read(reachable: Path) -> None:
    root = certbot(reachable / "image").parent.parent
    for folder in ("live", "archive"):
        (root / "etc/letsencrypt" / folder).chmod(0o700)
    check(root / "etc/nginx", root=root)  # loads what is loaded late
    os.seteuid(65534)
    try:
        report = check(root / "etc/nginx", root=root)
        (root / "etc/nginx").stat()
    finally:
        os.seteuid(0)
    assert {(entry.subject, entry.reason) for entry in report.not_checked} >= {
        ("/etc/letsencrypt/live/shop.example.com/fullchain.pem", "permission denied"),
        ("/etc/letsencrypt/live/shop.example.com/privkey.pem", "permission denied"),
    }
    assert "sudo nginxtls check" in report.hints[0]
    assert ("unverified-upstream", "shop") in rules_and_files(report)
    (root / "etc/nginx/sites-enabled").chmod(0o700)
    os.seteuid(65534)
    try:
        report = check(root / "etc/nginx", root=root)
        closed = check(root / "etc/nginx/sites-enabled", root=root)
        with pytest.raises(nginxtls.UsageError) as denied:
            _read("/etc/letsencrypt/live/shop.example.com/fullchain.pem", str(root), 1000)
    finally:
        os.seteuid(0)
    assert any("sites-enabled: permission denied" in entry.reason for entry in report.not_checked)
    assert not any(finding.group for finding in report.findings), "what is enabled is not known"
    assert [failure.reason for failure in closed.failures] == ["permission denied"]
    assert denied.value.reason == "permission denied"
    assert "sudo" in denied.value.help
