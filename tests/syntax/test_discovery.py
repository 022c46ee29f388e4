"""Which files are taken, which belong together, and what is said of the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nginxtls.syntax import Files, LoadedTree, Sources, discover

SERVER = "server { listen 443 ssl; server_name a.example; ssl_certificate a.pem; }\n"
MAIN = "events { }\nhttp { include conf.d/*.conf; }\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def found(*paths: str, **options: str) -> Sources:
    return discover(paths or (".",), files=Files(["."]), stdin_text=options.get("stdin_text"))


def roots(sources: Sources) -> list[tuple[str, str, str]]:
    return sorted((loaded.tree.roots[0].name, loaded.kind, loaded.context) for loaded in sources.trees)


def only(sources: Sources) -> LoadedTree:
    (loaded,) = sources.trees
    return loaded


# -- folders -----------------------------------------------------------------------------------------------------------


def test_names_and_contents_decide(tree: Path) -> None:
    write(
        tree,
        {
            "deploy/nginx.conf": MAIN,
            "deploy/conf.d/site.conf": SERVER,
            "other/proxy.conf": "proxy_pass http://a;\nproxy_set_header Host $host;\n",
            "templates/site.conf.j2": "server { listen {{ port }}; }\n",
            "apache/site.conf": "<VirtualHost *:80>\n  ServerName a\n</VirtualHost>\n",
            "bind/named.conf": 'options { directory "/var"; };\nzone "a" { type master; file "b"; };\n',
            "app/settings.conf": "[section]\nkey = value\n",
            "src/app.js": "if (a) { return b; }\nserver.listen(80);\n",
            "src/main.c": "int main(void) { return 0; }\n",
            "README.md": "```\nserver { listen 80; }\n```\n",
            "sites/plain": SERVER,
            "image.conf": b"\x89PNG\x00\x00server { listen 80; }",
            "empty.conf": "",
            "init.d/nginx": "#!/bin/sh\nserver=1;\nif [ -x nginx ]; then\nproxy_pass http://a;\nlisten 80;\nfi\n",
        },
    )
    sources = found()
    assert sources.taken == [
        "deploy/nginx.conf",
        "deploy/conf.d/site.conf",
        "other/proxy.conf",
        "sites/plain",
        "templates/site.conf.j2",
    ]
    assert not sources.failures
    assert roots(sources) == [
        ("deploy/nginx.conf", "full", "main"),
        ("other/proxy.conf", "snippet", "location"),
        ("sites/plain", "server", "http"),
        ("templates/site.conf.j2", "server", "http"),
    ]
    assert ("apache/site.conf", "not nginx") in sources.left


def test_a_repository_as_a_person_reads_it(tree: Path) -> None:
    """What looks like nginx's and is not, and the other way round: traits of public repositories."""
    nginx = {
        "core/nginx/conf/nginx.conf": "{% if a %}\nevents { }\nhttp { include /etc/nginx/tls.conf; }\n{% endif %}\n",
        "core/nginx/conf/tls.conf": "ssl_certificate {{ TLS[0] }};\n{% if TLS[2] %}ssl_dhparam a;{% endif %}\n",
        "make/templates/nginx/nginx.https.conf.jinja": SERVER,
        "portal/nginx.conf.example": SERVER,
        "rootfs/etc/nginx/template/nginx.tmpl": "http { server { listen {{ .Port }}; } }\n",
        "docs/nginx.conf": SERVER,
        "webmails/nginx-webmail.conf": SERVER,
        "templates/server/ssl_settings.erb": "<% if @cert -%>\n  ssl_certificate <%= @cert %>;\n<% end -%>\n",
        "templates/upstream.epp": "<%- | String $name | -%>\nupstream <%= $name %> {\n  server a;\n}\n",
        "vhost.d/a.example_location_override": "location / {\n  return 418;\n}\n",
        "vhost.d/b.example_location": "add_header X-Test f00;",
        "test/network_internal.conf": "allow 10.0.0.0/8;\ndeny all;\n",
        "deploy/values.yaml": "config:\n  http-snippet: |\n    server {\n      listen 2443;\n    }\n",
        "chart/templates/configmap.yaml": "data:\n  nginx.conf: |+\n    {{- if .A }}\n    events { }\n    {{- end }}\n",
        "ingress.yaml": 'metadata:\n  annotations:\n    nginx.org/server-snippets: "ssl_protocols TLSv1.2;"\n',
    }
    others = {
        "core/rspamd/antivirus.conf": '{% if a %}\nclamav {\n  symbol = "A";\n  server = "{{ b }}";\n}\n{% endif %}\n',
        "core/rspamd/options.inc": 'filters = "chartable,dkim";\nlocal_addrs = [127.0.0.0/8];\n',
        "core/nginx/dovecot/proxy.conf": "log_path = /dev/stderr\nprotocols = imap\nservice imap {\n  chroot =\n}\n",
        "core/postfix/main.cf": "smtpd_tls_cert_file = a\nmynetworks = 127.0.0.0/8\n",
        "core/unbound.conf": "server:\n  interface: 0.0.0.0\n  access-control: 10.0.0.0/8 allow\n",
        "log/rsyslog.conf": '$ModLoad imuxsock\ntemplate(name="a" type="string")\nif $msg contains "a" then { stop }\n',
        "log/logrotate.conf.jinja": "/var/log/*.log {\n  rotate {{ n }}\n  compress\n}\n",
        "named.conf": 'zone "a" { type master; file "b"; };\n',
        "mime.types": "# mailcap\ntext/html\thtml htm\nimage/png\tpng\n",
        "README.md.gotmpl": "# {{ .Name }}\n```\nserver { listen 80; }\n```\n",
        "templates/mail.tpl": "{{ .User }},\nreset your password; the link is {{ .Link }};\n",
        "settings/harbor.yml.jinja": "hostname: {{ hostname }}\nhttp:\n  port: 80\nlocation: /data\n",
        "swagger/server.gotmpl": "package server\nfunc (s *Server) Listen() { return }\n",
        "values.yaml": "image: nginx\ncontroller:\n  config: {}\n",
        "apparmor.profile": "profile a flags=(attach) {\n  capability net_raw,\n  network inet,\n}\n",
        "systemd/a.service": "[Unit]\nDescription=nginx\n",
    }
    write(tree, {**nginx, **others})
    assert sorted(found().taken) == sorted(nginx)


def test_gitignore_and_vendored_trees_are_honoured(tree: Path) -> None:
    site = {"a/site.conf": SERVER}
    write(
        tree,
        {
            ".gitignore": "build/\n*.local.conf\n!keep.local.conf\n/top.conf\n",
            "build/nginx.conf": SERVER,
            "x.local.conf": SERVER,
            "keep.local.conf": SERVER,
            "top.conf": SERVER,
            "sub/top.conf": SERVER,
            "sub/.gitignore": "own.conf\n",
            "sub/own.conf": SERVER,
            "node_modules/a/nginx.conf": SERVER,
            "vendor/nginx.conf": SERVER,
            ".git/nginx.conf": SERVER,
            ".git/info/exclude": "secret.conf\n",
            "secret.conf": SERVER,
            ".docker/nginx.conf": SERVER,
            **site,
        },
    )
    expected = [".docker/nginx.conf", "a/site.conf", "keep.local.conf", "sub/top.conf"]
    sources = found()
    assert sorted(sources.taken) == expected
    reasons = dict(sources.left)
    assert reasons["build/"] == "ignored by .gitignore"
    assert reasons["vendor/"] == "vendored"
    assert sorted(found("sub").taken) == ["sub/top.conf"]
    # What is named is read, ignored or not.
    assert found("build/nginx.conf").taken == ["build/nginx.conf"]


def test_several_roots_are_told_apart(tree: Path) -> None:
    for name in ("one", "two"):
        write(tree, {f"{name}/nginx.conf": MAIN, f"{name}/conf.d/a.conf": SERVER})
    write(tree, {"left.conf": SERVER})
    sources = found()
    assert roots(sources) == [
        ("left.conf", "server", "http"),
        ("one/nginx.conf", "full", "main"),
        ("two/nginx.conf", "full", "main"),
    ]
    one = next(loaded for loaded in sources.trees if loaded.tree.roots[0].name == "one/nginx.conf")
    assert [file.name for file in one.tree.files] == ["one/nginx.conf", "one/conf.d/a.conf"]
    assert one.base == str(tree / "one")


def test_absolute_paths_lead_beside_the_main_file_first(tree: Path) -> None:
    main = MAIN.replace("conf.d", "/etc/nginx/conf.d")
    write(tree, {"image/etc/nginx/nginx.conf": main, "image/etc/nginx/conf.d/a.conf": SERVER})
    write(tree, {"deploy/nginx.conf": main, "deploy/conf.d/b.conf": SERVER, "bare/nginx.conf": main})
    files = Files(["."])
    sources = discover(["."], files=files)
    brought = {loaded.tree.roots[0].name: [file.name for file in loaded.tree.files[1:]] for loaded in sources.trees}
    assert brought == {
        "image/etc/nginx/nginx.conf": ["image/etc/nginx/conf.d/a.conf"],
        "deploy/nginx.conf": ["deploy/conf.d/b.conf"],
        "bare/nginx.conf": ["image/etc/nginx/conf.d/a.conf"],
    }
    assert set(files.hints) == {"using deploy for /etc/nginx", "using image/etc/nginx for /etc/nginx"}


def test_a_fragment_included_by_another_is_read_there_once(tree: Path) -> None:
    write(tree, {"a.conf": "server { include tls.conf; }", "tls.conf": "ssl_protocols TLSv1;"})
    loaded = only(found())
    assert loaded.tree.roots[0].name == "a.conf"
    assert {file.name for file in loaded.requested} == {"a.conf", "tls.conf"}


def test_fragments_that_include_each_other_are_answered(tree: Path) -> None:
    write(tree, {"a.conf": "include b.conf; ssl_protocols TLSv1;", "b.conf": "include a.conf; ssl_ciphers ALL;"})
    assert sorted(found().taken) == ["a.conf", "b.conf"]


def test_a_broken_farm_of_links(tree: Path) -> None:
    write(tree, {"sites-available/a.conf": SERVER})
    links = tree / "sites-enabled"
    links.mkdir()
    (links / "a.conf").symlink_to("../sites-available/a.conf")
    (links / "gone.conf").symlink_to("nowhere")
    (links / "self.conf").symlink_to("self.conf")
    (links / "out.conf").symlink_to("/etc/passwd")
    (links / "up").symlink_to("..")
    (tree / "nginx.conf").symlink_to("/dev/zero")
    os.mkfifo(tree / "pipe.conf")
    sources = found()
    assert sources.taken == ["sites-available/a.conf"]
    assert not sources.failures


# -- named files -------------------------------------------------------------------------------------------------------


def test_a_named_fragment_is_read_in_its_true_place(tree: Path) -> None:
    write(tree, {"nginx/nginx.conf": MAIN, "nginx/conf.d/a.conf": SERVER, "nginx/conf.d/b.conf": SERVER})
    loaded = only(found("nginx/conf.d/b.conf"))
    assert loaded.kind == "full"
    assert [file.name for file in loaded.tree.files] == [
        "nginx/nginx.conf",
        "nginx/conf.d/a.conf",
        "nginx/conf.d/b.conf",
    ]
    assert [file.name for file in loaded.requested] == ["nginx/conf.d/b.conf"]


@pytest.mark.parametrize("place", ["nginx", "docker/nginx", "rootfs/etc/nginx"])
def test_the_main_file_may_stand_in_another_folder_of_the_repository(tree: Path, place: str) -> None:
    main = MAIN.replace("conf.d", os.path.relpath("sites", place))
    write(tree, {f"{place}/nginx.conf": main, "sites/a.conf": SERVER, "other/b.conf": SERVER})
    loaded = only(found("sites/a.conf"))
    assert [file.name for file in loaded.tree.files] == [f"{place}/nginx.conf", "sites/a.conf"]
    assert only(found("other/b.conf")).kind == "server"


def test_a_named_main_file_and_its_part_are_one(tree: Path) -> None:
    write(tree, {"nginx.conf": MAIN, "conf.d/a.conf": SERVER})
    loaded = only(found("conf.d/a.conf", "nginx.conf"))
    assert {file.name for file in loaded.requested} == {"nginx.conf", "conf.d/a.conf"}


def test_a_named_file_that_is_no_nginx_is_skipped_in_silence(tree: Path) -> None:
    write(tree, {"a.py": "import os\n", "b.conf": "[a]\nb = c\n", "c.conf": SERVER})
    sources = found("a.py", "b.conf", "c.conf")
    assert sources.taken == ["c.conf"]
    assert not sources.failures
    assert not sources.skipped
    assert sources.left == [("a.py", "not nginx"), ("b.conf", "not nginx")]


def test_what_was_asked_for_and_cannot_be_read_is_a_failure(tree: Path) -> None:
    os.mkfifo(tree / "pipe.conf")
    (tree / "dangling.conf").symlink_to("nowhere")
    write(
        tree,
        {"nginx-big.conf": "#" * 300, "nginx.bin.conf": b"\0\1\2server {", "wide.conf": "server { }".encode("utf-16")},
    )
    sources = discover(
        ["gone.conf", "pipe.conf", "dangling.conf", "nginx-big.conf", "nginx.bin.conf", "wide.conf"],
        files=Files(["."], limit=200),
    )
    reasons = {failure.subject: failure.reason for failure in sources.failures}
    assert reasons["gone.conf"] == "no such file or folder"
    assert "named pipe" in reasons["pipe.conf"]
    assert "does not exist" in reasons["dangling.conf"] or "no such file" in reasons["dangling.conf"]
    assert "limit" in reasons["nginx-big.conf"]
    assert reasons["nginx.bin.conf"] == "a binary file"
    assert "UTF-16" in reasons["wide.conf"]
    assert not sources.trees


def test_a_file_of_comments_is_an_empty_one(tree: Path) -> None:
    write(tree, {"a.conf": "# nothing\n\n   # yet\n", "nginx.conf": "#\n"})
    sources = found("a.conf", "nginx.conf")
    assert sources.left == [("a.conf", "empty"), ("nginx.conf", "empty")]
    assert not sources.failures


def test_latin_1_is_read_and_told(tree: Path) -> None:
    write(tree, {"a.conf": SERVER.encode() + "# größer\nssl_ciphers HIGH;".encode("latin-1")})
    (file,) = only(found("a.conf")).tree.files
    assert [(p.message, p.fatal) for p in file.problems] == [("it is not UTF-8; read as Latin-1", False)]
    assert file.directives[1].line == 3


# -- standard input and dumps ------------------------------------------------------------------------------------------


def test_standard_input(tree: Path) -> None:
    loaded = only(found("-", stdin_text=SERVER))
    assert (loaded.tree.roots[0].name, loaded.kind, loaded.context) == ("-", "server", "http")
    assert loaded.base == str(tree)


DUMP = """\
nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
nginx: configuration file /etc/nginx/nginx.conf test is successful
# configuration file /etc/nginx/nginx.conf:
events { }
http { include mime.types; include /etc/nginx/conf.d/*.conf; include gone.conf; }

# configuration file /etc/nginx/mime.types:
types { }

# configuration file /etc/nginx/conf.d/b.conf:
# b
server { listen 443 ssl; }

# configuration file /etc/nginx/conf.d/a.conf:
server { listen 80; }
"""


def test_a_dump_is_read_with_the_names_and_lines_of_its_files(tree: Path) -> None:
    write(tree, {"host.dump": DUMP, "other.txt": DUMP.replace("443", "8443")})
    for paths, stdin_text, prefix in ((("host.dump",), None, "host.dump:"), (("-",), DUMP, "")):
        loaded = only(discover(paths, stdin_text=stdin_text, files=Files(["."])))
        assert loaded.from_dump
        assert loaded.kind == "full"
        assert loaded.base == "/etc/nginx"
        assert len(loaded.requested) == 4
        listens = [
            (d.file.name, d.line)
            for server in loaded.tree.expand(loaded.tree.roots[0].directives[1].block or [])
            for d in server.block or []
        ]
        assert listens == [(prefix + "/etc/nginx/conf.d/a.conf", 1), (prefix + "/etc/nginx/conf.d/b.conf", 2)]
        b = next(file for file in loaded.tree.files if file.nginx_path == "/etc/nginx/conf.d/b.conf")
        assert b.outer == ("host.dump" if prefix else "-", 10)
        assert DUMP.split("\n")[b.outer[1] + 1].startswith("server")
        assert [gap.reason for gaps in loaded.tree.unresolved.values() for gap in gaps] == ["not in the dump"]
    assert len(found("host.dump", "other.txt").trees) == 2


def test_dumps_of_many_hosts_in_one_file(tree: Path) -> None:
    sources = found("-", stdin_text=DUMP + DUMP)
    assert [len(loaded.tree.files) for loaded in sources.trees] == [4, 4]
    last = sources.trees[1].tree.files[0]
    assert last.outer
    assert (DUMP + DUMP).split("\n")[last.outer[1]] == "events { }"
    names = [file.name for loaded in sources.trees for file in loaded.tree.files]
    assert len(set(names)) == 8, "what is found on one host is not taken for the other's"
    assert names[4] == "-#2:/etc/nginx/nginx.conf"
    assert not any(file.problems for loaded in sources.trees for file in loaded.tree.files)


def test_hosts_that_keep_their_files_elsewhere_are_told_apart(tree: Path) -> None:
    write(tree, {"hosts/all.dump": DUMP + DUMP.replace("/etc/nginx", "/usr/local/nginx/conf")})
    sources = found("hosts")
    assert roots(sources) == [
        ("hosts/all.dump#2:/usr/local/nginx/conf/nginx.conf", "full", "main"),
        ("hosts/all.dump:/etc/nginx/nginx.conf", "full", "main"),
    ]
    assert [len(loaded.tree.files) for loaded in sources.trees] == [4, 4]


def test_a_large_dump_is_read_where_a_large_file_is_not(tree: Path) -> None:
    write(tree, {"host.dump": DUMP, "nginx.conf": "# " + "x" * 300 + MAIN})
    sources = discover(["host.dump", "nginx.conf"], files=Files(["."], limit=200))
    assert len(sources.trees) == 1
    assert [failure.subject for failure in sources.failures] == ["nginx.conf"]


def test_more_text_than_memory_is_for_is_told(tree: Path) -> None:
    write(tree, {"a.conf": SERVER, "b.conf": SERVER})
    files = Files(["."])
    files.text_left = len(SERVER) + 10
    sources = discover(["."], files=files)
    assert sources.taken == ["a.conf"]
    assert [(entry.subject, entry.reason) for entry in sources.skipped] == [
        ("b.conf", "more than 200 MB of configurations in one run")
    ]
    files = Files(["."])
    files.directives_left = SERVER.count(";") + SERVER.count("{")
    sources = discover(["."], files=files)
    assert [entry.subject for entry in sources.skipped] == ["b.conf"]
    assert "directives in one run" in sources.skipped[0].reason


def test_a_dump_of_another_machine_leads_only_where_it_is_mapped(tree: Path) -> None:
    write(tree, {"image/etc/ssl/a.pem": "pem"})
    files = Files(["/"], maps=[("/etc/ssl", "image/etc/ssl")]).elsewhere()
    assert files.read("/etc/ssl/a.pem", "/etc/nginx") == b"pem"
    assert not files.read("/etc/passwd", "/etc/nginx")


# -- contexts of fragments ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "context"),
    [
        ("http { }", "full", "main"),
        ("stream { server { } }", "full", "main"),
        ("load_module a.so; worker_processes 1;", "snippet", "main"),
        ("server { listen 80; location / { } }", "server", "http"),
        ("upstream a { server b; } server { proxy_pass a; }", "server", "stream"),
        ("server { listen 1; proxy_pass a:1; proxy_timeout 3s; }", "server", "stream"),
        ("server { ssl_preread on; proxy_pass $b; }", "server", "stream"),
        ("server { proxy_pass http://a; }", "server", "http"),
        ("server { listen 993 ssl; protocol imap; }", "server", "mail"),
        ("server { return 301 https://a; }", "server", "http"),
        ("server_tokens off; log_format a b;", "snippet", "http"),
        ("listen 443 ssl; server_name a;", "snippet", "server"),
        ("proxy_pass http://a; proxy_set_header b c;", "snippet", "location"),
        ("ssl_protocols TLSv1; ssl_ciphers ALL;", "snippet", "unknown"),
        ("add_header Strict-Transport-Security max-age=1;", "snippet", "unknown"),
        ("{% if a %}server { listen {{ p }}; location / { } }{% endif %}", "server", "http"),
    ],
)
def test_contexts(tree: Path, text: str, kind: str, context: str) -> None:
    loaded = only(found("-", stdin_text=text))
    assert (loaded.kind, loaded.context) == (kind, context)


def test_a_pattern_that_takes_too_long_ignores_nothing(tree: Path) -> None:
    name = "a" * 200 + ".conf"
    write(tree, {".git/HEAD": "", ".gitignore": "*a*a*a*a*a*a*a*a*b\nother.conf\n", name: SERVER, "other.conf": SERVER})
    assert discover(["."], files=Files(["."])).taken == [name]
