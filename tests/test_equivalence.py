"""What makes a run fast leaves what it says as it is: endpoints by kind, rules where they can have something to say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nginxtls import check
from nginxtls.finding import Finding
from nginxtls.linting import hooks
from nginxtls.linting.registry import installed_rules
from nginxtls.linting.run import lint
from nginxtls.linting.settings import Settings
from nginxtls.linting.subjects import Subject
from nginxtls.model import Configuration, EndpointGroup, Facts, NginxVersion, Store
from nginxtls.report import Options, renderer
from nginxtls.syntax import Files, read_tree
from nginxtls.syntax.tree import Directive, SourceFile
from nginxtls.tls import OpenSSL

FIXTURES = Path(__file__).parent.parent / "fixtures"
LISTENS = (
    "listen 443 ssl;", "listen 443 ssl default_server;", "listen [::]:443 ssl;", "listen 8443 ssl;", "listen 80;",
    "listen 443 ssl http2;", "listen 443 quic;", "listen 127.0.0.1:443 ssl;", "listen 443 ssl proxy_protocol;",
)  # fmt: skip
NAMES = ("a.example.com", "b.example.com", "www.example.com", "*.example.com", "example.org", "_", "10.0.0.1")
CERTIFICATES = ("good", "good-rsa", "leaf-only", "expired", "nowhere")
LINES = (
    "include tls.conf;", "ssl_protocols TLSv1 TLSv1.2;", "ssl_protocols TLSv1.3;", "ssl_ciphers HIGH:!aNULL;",
    "ssl_ciphers ALL:eNULL:@SECLEVEL=0;", "ssl_ecdh_curve secp521r1;", "ssl_session_tickets off;", "http2 on;",
    "ssl_early_data on;", "ssl_stapling on;", "ssl_stapling_verify on;", "ssl_prefer_server_ciphers on;",
    "ssl_session_cache shared:SSL:10m;", "ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;",
    "ssl_conf_command MinProtocol TLSv1.2;", "ssl_reject_handshake on;", "ssl_verify_client optional;",
    "ssl_client_certificate certificates/client-ca.pem;", "ssl_dhparam certificates/dh1024.pem;",
    "add_header Strict-Transport-Security 'max-age=300';", "return 301 https://$host$request_uri;",
    "resolver 8.8.8.8;",
)  # fmt: skip
BODIES = (
    "location / { proxy_pass https://10.0.0.2; proxy_ssl_verify off; }",
    "location / { add_header X-A b; proxy_pass http://10.0.0.2:443; }",
    "location /a { return 301 http://a.example.com/; }",
    "location / { proxy_set_header X-Forwarded-Proto http; proxy_pass http://127.0.0.1; location /x { expires 1d; } }",
    "location / { grpc_pass grpcs://10.0.0.3; grpc_ssl_protocols TLSv1; }",
)
SERVER = st.tuples(
    st.lists(st.sampled_from(LISTENS), min_size=1, max_size=2, unique=True),
    st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
    st.none() | st.sampled_from(CERTIFICATES),
    st.lists(st.sampled_from(LINES), max_size=3, unique=True),
    st.lists(st.sampled_from(BODIES), max_size=1),
)
Server = tuple[list[str], list[str], "str | None", list[str], list[str]]


def block(server: Server) -> str:
    listens, names, certificate, lines, bodies = server
    found = [*listens, *([f"server_name {' '.join(names)};"] if names else ()), *lines, *bodies]
    if certificate:
        key = certificate if certificate == "good-rsa" else "good"
        found += [f"ssl_certificate certificates/{certificate}.pem;", f"ssl_certificate_key certificates/{key}.key;"]
    return "server {\n" + "".join(f"    {line}\n" for line in found) + "}\n"


@contextmanager
def one_by_one() -> Iterator[None]:
    """Each endpoint is a group of its own, and every rule is asked about everything."""

    def endpoint_groups(configuration: Configuration) -> list[EndpointGroup]:
        configuration.bundles  # noqa: B018 - loaded in the order of the text
        found = []
        for endpoint in configuration.endpoints:
            group = EndpointGroup(endpoint)
            group.endpoints.append(endpoint)
            found.append(group)
        return found

    with (
        patch.object(Configuration, "endpoint_groups", property(endpoint_groups)),
        patch.object(hooks, "_applying", lambda rules, met: rules),
    ):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("equivalence")
    (folder / "certificates").symlink_to(FIXTURES / "certificates")
    (folder / "tls.conf").write_text("ssl_protocols TLSv1.1 TLSv1.2;\nssl_ciphers kRSA;\nssl_session_timeout 2d;\n")
    return folder


_BOTH_SOCKETS = ["listen 443 ssl;", "listen 127.0.0.1:443 ssl;"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(
    servers=[
        (_BOTH_SOCKETS, [], None, ["ssl_session_tickets off;"], []),
        (_BOTH_SOCKETS, [], "good", [], []),
    ],
    level=[],
    nginx=None,
    openssl=None,
)
@given(
    servers=st.lists(SERVER, min_size=1, max_size=6),
    level=st.lists(st.sampled_from(LINES[1:]), max_size=3, unique=True),
    nginx=st.sampled_from([None, "1.18.0", "1.22.1", "1.26.3", "1.30.6"]),
    openssl=st.sampled_from([None, "1.1.1w", "3.0.20", "3.6.5"]),
)
def test_endpoints_by_kind_are_told_as_one_by_one(
    servers: list[Server], level: list[str], nginx: str | None, openssl: str | None, folder: Path
) -> None:
    text = "".join(map(block, servers))
    (folder / "nginx.conf").write_text("events {}\nhttp {\n" + "\n".join(level) + "\n" + text + "}\n")

    def reported() -> list[tuple[object, ...]]:
        files = Files([folder, FIXTURES])
        tree = read_tree(folder / "nginx.conf", files)
        facts = Facts(
            nginx=NginxVersion.parse(nginx) if nginx else None,
            openssl=OpenSSL.parse(openssl) if openssl else None,
            at=datetime(2026, 6, 1, tzinfo=timezone.utc),
        )
        configuration = Configuration(tree, facts, Store(files, str(folder)))
        report = lint([Subject(configuration, set(tree.files))], installed_rules(), Settings(pedantic=True))
        assert not report.failures or all(failure.location for failure in report.failures)
        return [
            (*f[:3], f.location.name, f.location.span, f.label, f.notes, f.help, sorted(f.endpoints), *labels(f))
            for f in report.findings
        ]

    def labels(finding: Finding) -> list[tuple[object, str]]:
        return [(label.location.span, label.text) for label in finding.labels]

    with one_by_one():
        expected = reported()
    assert reported() == expected


DUMP = """\
# configuration file /etc/nginx/nginx.conf:
http { include /etc/nginx/a*; include /etc/nginx/b; } }
# configuration file /etc/nginx/a:
include /etc/nginx/b;
# configuration file /etc/nginx/b:
include /etc/nginx/a;
ssl_protocols TLSv1; }
"""


@pytest.mark.parametrize("shown", ["dump", "folder"])
def test_the_order_of_a_report_does_not_depend_on_where_in_memory_its_objects_are(shown: str, tmp_path: Path) -> None:
    """Files and directives are compared by identity, so a set of them has the order of their addresses."""
    if shown == "dump":
        (tmp_path / "host.dump").write_text(DUMP)
    else:
        for name in "abcdef":
            (tmp_path / f"{name}.conf").write_text(f"include {name};\nssl_protocols TLSv1; }} # nginxtls: ignore\n")
            (tmp_path / name).write_text("server { listen 443 ssl; } }\n")
    reports = set()
    for salt in range(8):

        def scattered(self: object, salt: int = salt) -> int:
            return hash((salt, id(self)))

        with patch.object(SourceFile, "__hash__", scattered), patch.object(Directive, "__hash__", scattered):
            report = check(tmp_path, settings=Settings(), at=datetime(2026, 6, 15, tzinfo=timezone.utc))
        assert report.failures
        reports.add(renderer("json")(report._replace(seconds=0.0), Options(verbose=True)))
    assert len(reports) == 1
