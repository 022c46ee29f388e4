"""Configurations inside other files: their lines and columns are those of the file they stand in."""

from __future__ import annotations

from pathlib import Path

import pytest

from nginxtls.syntax import Directive, Files, Sources, discover
from nginxtls.syntax.containers import dockerfiles


def found(folder: Path, name: str, text: str) -> Sources:
    (folder / name).write_text(text)
    return discover([str(folder)], files=Files([folder]))


def directive(sources: Sources, name: str) -> Directive:
    (match,) = [d for loaded in sources.trees for file in loaded.tree.files for d in file.walk() if d.name == name]
    return match


def assert_place(text: str, which: Directive, word: str) -> None:
    line, column = which.line, which.column
    assert text.split("\n")[line - 1][column - 1 :].startswith(word)
    assert which.file.line_text(line) == text.split("\n")[line - 1]


CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
data:
  README: |
    not nginx at all
  nginx.conf: |-
    events { }
    http {
      ssl_protocols TLSv1;

      server { listen 443 ssl; }
    }
  other.conf: |
    ssl_ciphers ALL;
---
kind: ConfigMap
data:
  default.conf: |
    server {
      ssl_session_tickets on;
    }
"""


def test_config_maps(tmp_path: Path) -> None:
    sources = found(tmp_path, "web.yaml", CONFIG_MAP)
    assert [(loaded.kind, loaded.context) for loaded in sources.trees] == [
        ("full", "main"),
        ("snippet", "unknown"),
        ("server", "http"),
    ]
    for name in ("ssl_protocols", "listen", "ssl_ciphers", "ssl_session_tickets"):
        assert_place(CONFIG_MAP, directive(sources, name), name)
    assert len({file.name for loaded in sources.trees for file in loaded.tree.files}) == 1


def test_a_manifest_that_never_says_nginx(tmp_path: Path) -> None:
    text = "data:\n  web.txt: |\n    server {\n      listen 443 ssl;\n    }\n"
    assert_place(text, directive(found(tmp_path, "web.yaml", text), "listen"), "listen")


def test_helm_templates(tmp_path: Path) -> None:
    text = CONFIG_MAP.replace(
        "      ssl_protocols TLSv1;\n",
        '{{- if .Values.old }}\n      ssl_protocols {{ .Values.protocols | default "TLSv1" }};\n{{- end }}\n',
    )
    sources = found(tmp_path, "web.yaml", text)
    protocols = directive(sources, "ssl_protocols")
    assert_place(text, protocols, "ssl_protocols")
    assert protocols.args == ("TLSv1",)
    assert protocols.likely
    assert len(protocols.branch) == 1
    assert_place(text, directive(sources, "ssl_session_tickets"), "ssl_session_tickets")


def test_a_condition_around_a_manifest_is_none_inside(tmp_path: Path) -> None:
    text = "{{- if .Values.tls }}\n" + CONFIG_MAP.replace("---\n", "{{- end }}\n---\n")
    sources = found(tmp_path, "web.yaml", text)
    assert not [p for loaded in sources.trees for file in loaded.tree.files for p in file.problems]
    assert_place(text, directive(sources, "ssl_ciphers"), "ssl_ciphers")


INGRESS = """\
kind: Ingress
metadata:
  annotations:
    nginx.ingress.kubernetes.io/configuration-snippet: |
      more_set_headers "X: y";
      proxy_ssl_verify off;
    nginx.ingress.kubernetes.io/server-snippet: "ssl_protocols TLSv1;"
    nginx.org/location-snippets: 'proxy_ssl_name a;'
    nginx.ingress.kubernetes.io/ssl-redirect: "true"
"""


def test_snippets_of_ingress_annotations(tmp_path: Path) -> None:
    sources = found(tmp_path, "ingress.yml", INGRESS)
    contexts = {loaded.tree.roots[0].directives[-1].name: loaded.context for loaded in sources.trees}
    assert contexts == {"proxy_ssl_verify": "location", "ssl_protocols": "server", "proxy_ssl_name": "location"}
    for name in contexts:
        assert_place(INGRESS, directive(sources, name), name)


DOCKERFILE = """\
FROM nginx
RUN <<EOF
apt-get update
EOF
COPY <<"END" /etc/nginx/conf.d/site.conf
server {
    listen 443 ssl;
}
END
RUN cat > /etc/nginx/tls.conf <<-'CONF'
\tssl_protocols TLSv1;
\tCONF
COPY nginx/ /etc/nginx/
"""


def test_heredocs_of_dockerfiles(tmp_path: Path) -> None:
    sources = found(tmp_path, "Dockerfile", DOCKERFILE)
    assert len(sources.trees) == 2
    assert_place(DOCKERFILE, directive(sources, "listen"), "listen")
    assert_place(DOCKERFILE, directive(sources, "ssl_protocols"), "ssl_protocols")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Dockerfile", "COPY --chown=a:b site/tls /etc/nginx/tls/\nCOPY --from=x /a /etc/nginx/tls\n"),
        ("Dockerfile", "ADD site/tls/x.pem \\\n    /etc/nginx/tls/\n"),
        ("Dockerfile", "COPY site/a.txt site/tls/x.pem /etc/nginx/tls\n"),
        ("Dockerfile", 'COPY ["site/tls/x.pem", "/etc/nginx/tls/x.pem"]\n'),
        ("Dockerfile", "COPY site/tls/*.pem /etc/nginx/tls/\n"),
        ("docker/web/Dockerfile.prod", "COPY site/tls /etc/nginx/tls\n"),
        ("docker-compose.yml", "    volumes:\n      - ./site/tls:/etc/nginx/tls:ro  # read only\n"),
        ("compose.yaml", "    volumes:\n      - './site/tls/:/etc/nginx/tls/'\n"),
        ("compose.yaml", "    volumes:\n      - ${PWD}/site/tls:/etc/nginx/tls\n"),
        (
            "compose.yaml",
            "    volumes:\n      - type: bind\n        source: ./site/tls\n        target: /etc/nginx/tls\n",
        ),
    ],
)
def test_where_containers_put_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "site" / "tls").mkdir(parents=True)
    (tmp_path / "site" / "tls" / "x.pem").write_text("pem")
    (tmp_path / "site" / "a.txt").write_text("a")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(f"# nginx\n{text}")
    files = Files([tmp_path])
    discover([str(tmp_path)], files=files)
    assert files.read("/etc/nginx/tls/x.pem", str(tmp_path / "elsewhere")) == b"pem"
    assert any(name in hint for hint in files.hints)


def test_compose_files_lead_nowhere_outside(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("s")
    (tmp_path / "in" / "compose.yml").write_text("image: nginx\nvolumes:\n  - ../:/etc/nginx\n  - /etc:/etc/nginx/x\n")
    files = Files([tmp_path / "in"])
    discover([str(tmp_path / "in")], files=files)
    assert not files.read("/etc/nginx/secret")
    assert not files.read("/etc/nginx/x/passwd")


@pytest.mark.parametrize(
    "text", ["nginx.conf: |", "nginx.conf: |\n", "a: &x\n  nginx: *x\n", "nginx: [[[[", "nginx.conf: >\n\n\n"]
)
def test_odd_yaml(tmp_path: Path, text: str) -> None:
    assert not found(tmp_path, "a.yaml", text).trees


@pytest.mark.parametrize("line", ["ADD \r", "COPY \\\n \\", "COPY []"])
def test_a_copy_of_nothing_names_no_file(line: str) -> None:
    assert not list(dockerfiles.mounts(f"FROM nginx\n{line}\nCOPY --from=a \n"))
