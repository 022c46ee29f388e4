"""Templates as a whole: every branch is looked at, none is held against its rival, and what is unknown stays so."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

import nginxtls
from nginxtls.linting.settings import Settings
from nginxtls.model.alternatives import Alternatives

Found = Callable[..., list[str]]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Found:
    """``found("server { … }")``: what is told of a template with this in http, each as ``line rule``.

    Of the newest nginx alone: what older ones make of their defaults is not the matter here.
    """
    monkeypatch.setattr(Alternatives, "matter", False)

    def check(http: str, **options: object) -> list[str]:
        (tmp_path / "nginx.conf.j2").write_text(f"events {{ }}\nhttp {{\n{http}\n}}\n")
        report = nginxtls.check(tmp_path, settings=Settings(), **options)  # type: ignore[arg-type]
        assert not report.failures
        return [f"{finding.location.span.line} {finding.rule}" for finding in report.findings]

    return check


HEAD = "listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key;"
HSTS = 'add_header Strict-Transport-Security "max-age=63072000" always;'

ALTERNATIVES = [
    ("{% if a %}", "{% elif b %}", "{% else %}", "{% endif %}"),
    ("<% if a -%>", "<% elsif b -%>", "<% else -%>", "<% end -%>"),
    ("<% if $a { -%>", "<% } elsif $b { -%>", "<% } else { -%>", "<% } -%>"),
    ("{{ if .A }}", "{{ else if .B }}", "{{ else }}", "{{ end }}"),
]


@pytest.mark.parametrize(("first", "second", "third", "end"), ALTERNATIVES)
def test_each_branch_is_looked_at_and_none_against_another(
    found: Found, first: str, second: str, third: str, end: str
) -> None:
    assert found(
        f"server {{ {HEAD} {HSTS}\n"
        f"{first}\nssl_protocols TLSv1.3;\n"
        f"{second}\nssl_protocols TLSv1.2;\nssl_ciphers AES128-SHA;\n"
        f"{third}\nssl_protocols TLSv1.1 TLSv1.2;\n{end}\n}}"
    ) == ["7 missing-tls13", "8 missing-aead", "8 missing-forward-secrecy", "10 missing-tls13", "10 legacy-protocol"]


def test_alternative_servers_of_one_name_are_no_conflict(found: Found) -> None:
    one = f"server {{ {HEAD} {HSTS} server_name a.example; }}"
    assert found(f"{{% if x %}}\n{one}\n{{% else %}}\n{one}\n{{% endif %}}") == []
    # Conditions are not understood: these two may exclude each other.
    assert found(f"{{% if f == 'x' %}}\n{one}\n{{% endif %}}\n{{% if f in ['y'] %}}\n{one}\n{{% endif %}}") == []
    # These stand together whenever the inner one is there at all.
    twice = f"{{% if x %}}\n{one}\n{{% if y %}}\n{one}\n{{% endif %}}\n{{% endif %}}"
    assert found(twice, select=["conflicting-server-name"]) == ["6 conflicting-server-name"]


def test_a_branch_that_cannot_be_brings_nothing(found: Found) -> None:
    never = "{% if a %}\n{% if not a %}\nssl_ciphers RC4-SHA;\n{% endif %}\nssl_protocols TLSv1.2 TLSv1.3;\n{% endif %}"
    assert found(f"server {{ {HEAD} {HSTS}\n{never}\n}}") == []


def test_listens_of_rival_conditions_are_no_conflict(found: Found) -> None:
    site = f"{HSTS} ssl_certificate a.pem; ssl_certificate_key a.key;"
    assert (
        found(
            f"server {{\n{{% if a %}}\nlisten 443 ssl;\n{{% endif %}}\n{site} }}\n"
            f"server {{\n{{% if b %}}\nlisten 443 ssl;\n{{% endif %}}\n{site} }}"
        )
        == []
    )


def test_an_inner_condition_does_not_bring_its_outer_one_past_a_rival(found: Found) -> None:
    site = f"{HSTS} ssl_certificate a.pem; ssl_certificate_key a.key;"
    assert (
        found(
            f"{{% if a %}}\nserver {{\nlisten 443 ssl;\n{site}\n{{% if c %}}\nlocation / {{ }}\n{{% endif %}}\n}}\n"
            f"{{% endif %}}\nserver {{\n{{% if b %}}\nlisten 443 ssl;\n{{% endif %}}\n{site} }}"
        )
        == []
    )


@pytest.mark.parametrize(
    "line", ["{{ extra }}", "<%= extra %>", "${EXTRA}", "{% for h in headers %}\nadd_header {{ h }};\n{% endfor %}"]
)
def test_what_a_template_may_add_is_not_missing(found: Found, line: str) -> None:
    site = f"server {{ {HEAD} server_name a.example;\n"
    assert "3 missing-hsts" in found(f"{site}}}")
    assert "3 missing-hsts" not in found(f"{site}{line}\n}}")


def test_a_header_under_a_condition_is_not_missing(found: Found) -> None:
    site = f"server {{ {HEAD} server_name a.example;\n{{% if hsts %}}\n{HSTS}\n{{% endif %}}\n}}"
    assert found(site) == []


def test_a_condition_around_an_include_is_one_around_what_it_brings(found: Found, tmp_path: Path) -> None:
    (tmp_path / "old.conf").write_text("ssl_protocols TLSv1.1;\n")
    rest = "{% if old %}\ninclude old.conf;\n{% else %}\nssl_protocols TLSv1.3;\n{% endif %}"
    site = f"server {{ {HEAD} {HSTS}\n{rest}\n}}"
    assert found(site) == ["1 missing-tls13", "1 legacy-protocol"]


def test_a_block_with_alternative_heads_is_not_half_a_block(found: Found) -> None:
    text = (
        f"{{% if tls %}}\nserver {{ {HEAD}\n{{% else %}}\nserver {{ listen 80;\n{{% endif %}}\n"
        f"server_name a.example; {HSTS}\nlocation / {{ return 204; }}\n}}\n"
        "server { listen 80; server_name b.example; return 301 https://b.example$request_uri; }"
    )
    assert found(text, ignore=["hsts-over-http"]) == []


def test_what_is_of_use_in_one_branch_is_not_needless(found: Found) -> None:
    head = (
        f"server {{ {HEAD} {HSTS}\nssl_dhparam dh.pem;\n{{% if modern %}}\nssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;\n"
    )
    modern = f"{head}{{% endif %}}\n}}"
    both = f"{head}{{% else %}}\nssl_ciphers DHE-RSA-AES128-GCM-SHA256;\n{{% endif %}}\n}}"
    assert "4 unused-dhparam" in found(
        f"{head}{{% endif %}}\n}}".replace("{% if modern %}\n", "").replace("{% endif %}\n", "")
    )
    assert "4 unused-dhparam" not in found(modern)
    assert "4 unused-dhparam" not in found(both)


@pytest.mark.parametrize("listen", ["{{ port }} ssl", "{{ ip }}:443 ssl", "[::]:<%= @port %> ssl", "${PORT} ssl http2"])
def test_a_socket_of_unknown_address_is_looked_at(found: Found, listen: str) -> None:
    reported = found(
        f"server {{ {HEAD.replace('443 ssl', listen)} {HSTS}\nssl_protocols TLSv1.2;\nssl_ciphers AES128-SHA;\n}}"
    )
    assert {"4 missing-tls13", "5 missing-aead", "5 missing-forward-secrecy"} <= set(reported)
    assert not [rule for rule in reported if "http" in rule and "http2" not in rule]


@pytest.mark.parametrize("condition", ["versioncmp(nginx_version, '1.15.0') < 0", "HTTP2_PUSH_SUPPORTED"])
def test_what_a_template_writes_for_old_versions_is_not_held_against_new_ones(found: Found, condition: str) -> None:
    old = "ssl on;\nhttp2_push_preload on;"
    reported = ["5 deprecated-ssl-directive", "6 removed-http2-push"]
    assert found(f"server {{ {HEAD} {HSTS}\n{{% if old %}}\n{old}\n{{% endif %}}\n}}") == reported
    assert found(f"server {{ {HEAD} {HSTS}\n{{% if {condition} %}}\n{old}\n{{% endif %}}\n}}") == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("ssl_protocols {{ p }}; listen 443 quic;", "quic-without-tls13"),
        ("ssl_protocols TLSv1.3; ssl_protocols {{ p }};", "repeated-ssl-protocols"),
        ("ssl_session_tickets {{ t }};", "lasting-ticket-key"),
        ("location / { proxy_pass https://{{ backend }}; }", "unverified-upstream"),
        ("ssl_ciphers {{ c }};", "missing-forward-secrecy"),
        ("ssl_verify_client {{ v }}; ssl_client_certificate ca.pem;", "client-ca-without-verification"),
    ],
)
def test_what_is_not_known_is_no_fault(found: Found, line: str, rule: str) -> None:
    assert found(f"server {{ {HEAD} {HSTS}\n{line}\n}}", select=[rule]) == []


def test_a_listen_line_of_unknown_kind_may_have_tls(found: Found) -> None:
    assert found(f"server {{ listen 443 {{{{ ssl }}}};\n{HSTS} }}", select=["hsts-over-http"]) == []


def test_a_listen_line_of_unknown_kind_may_make_the_default_server(found: Found) -> None:
    named = f"server {{ {HEAD} {HSTS} server_name a.example; }}"
    other = f"server {{ {HEAD.replace('ssl;', 'ssl{% if d %} default_server{% endif %};', 1)} {HSTS}\n}}"
    assert "4 unreachable-server" in found(f"{named}\nserver {{ {HEAD} {HSTS}\n}}")
    assert found(f"{named}\n{other}", pedantic=True, select=["virtual_servers"]) == []


def test_what_rests_on_a_default_is_likely_and_not_edited(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf.j2").write_text(
        "server { listen 443 ssl;\nssl_protocols {{ p | default('TLSv1.1 TLSv1.2') }};\n"
        "ssl_ciphers {{ c | default('NULL-SHA:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0') }};\n"
        "ssl_prefer_server_ciphers {{ x }};\n}\n"
        "server { listen 8443 ssl;\nssl_protocols TLSv1.1 TLSv1.2;\n}\n"
    )
    report = nginxtls.check(tmp_path, settings=Settings())
    found = {(f.location.span.line, f.rule): (f.confidence.value, f.fix is not None) for f in report.findings}
    assert found[2, "missing-tls13"] == ("likely", False)
    assert found[3, "null-cipher"] == ("likely", False)
    assert found[7, "missing-tls13"] == ("certain", True)
    assert any("default" in note for finding in report.findings[:1] for note in finding.notes)


IN_SERVERS = (
    "listen 443 ssl;|listen [::]:443 ssl;|listen 80;|listen 8443 ssl;|listen 443 quic;|server_name a.example;"
    "|server_name b.example;|return 444;|ssl_certificate a.pem;|location / {|location /x {|ssl_reject_handshake on;"
).split("|")
ANYWHERE = (
    "ssl_protocols TLSv1 TLSv1.2;|ssl_protocols TLSv1.3;|ssl_ciphers RC4-SHA:HIGH;"
    "|ssl_ciphers DHE-RSA-AES128-GCM-SHA256;|add_header Strict-Transport-Security max-age=1;|add_header X-A b;"
    "|ssl_stapling on;|ssl_verify_client on;"
    "|ssl_session_tickets off;|ssl_dhparam dh.pem;|ssl_early_data on;|http2 on;|ssl_client_certificate ca.pem;"
).split("|")


def written(random: Random, level: str, names: str) -> list[str]:
    """The lines of a random template: servers, settings, and conditions in conditions."""
    lines: list[str] = []
    for _ in range(random.randint(1, 5)):
        kind = random.random()
        if level == "http" and kind < 0.55:
            lines += ["server {", *written(random, "server", names), "}"]
        elif kind < 0.7 or not names:
            line = random.choice(ANYWHERE if level == "http" else IN_SERVERS + ANYWHERE)
            lines += [line, "add_header X y;", "}"] if line.endswith("{") else [line]
        else:
            name = random.choice(names)
            lines += [
                f"{{% if {random.choice(['', '', 'not '])}{name} %}}",
                *written(random, level, names.replace(name, "")),
            ]
            if random.random() < 0.5:
                lines += ["{% else %}", *written(random, level, names.replace(name, ""))]
            lines.append("{% endif %}")
    return lines


def rendered(lines: list[str], true: set[str]) -> str:
    """What the template becomes, on the same lines."""
    text: list[str] = []
    shown: list[bool] = []
    for line in lines:
        if line.startswith("{% if"):
            shown.append((line.split()[-2] in true) is not ("not" in line))
        elif line == "{% else %}":
            shown[-1] = not shown[-1]
        elif line == "{% endif %}":
            shown.pop()
        text.append(line if all(shown) and not line.startswith("{%") else "")
    return "\n".join(text)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_told_of_a_template_is_told_of_something_that_it_becomes(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Alternatives, "matter", False)  # what a rendered text needs narrows its builds
    lines = ["events { }", "http {", *written(Random(seed), "http", "abc"), "}"]

    def reported(text: str) -> set[tuple[str, int, int]]:
        (tmp_path / "nginx.conf.j2").write_text(text)
        findings = nginxtls.check(tmp_path, settings=Settings(), pedantic=True).findings
        return {(f.rule, f.location.span.line, f.location.span.column) for f in findings}

    becomes = [set(names) for number in range(4) for names in combinations("abc", number)]
    assert reported("\n".join(lines)) <= set().union(*(reported(rendered(lines, true)) for true in becomes))


def test_many_conditions_take_no_time(found: Found) -> None:
    sites = "\n".join(
        f"{{% if c{number} %}}\nserver {{ {HEAD} {HSTS} server_name s{number}.example; }}\n{{% endif %}}"
        for number in range(300)
    )
    start = time.process_time()
    assert found(sites) == []
    assert time.process_time() - start < 5


def test_people_read_what_the_template_has(tmp_path: Path) -> None:
    """Names, addresses, paths and targets that a template sets are shown as written in it."""
    (tmp_path / "site.conf.template").write_text(
        "server {\n"
        "    listen ${HOST}:8443 ssl;\n"
        "    server_name ${A} api.${B};\n"
        "    ssl_certificate /etc/ssl/{{ site.name }}.pem;\n"
        "    ssl_certificate_key /etc/ssl/{{ site.name }}.key;\n"
        "    ssl_protocols TLSv1;\n"
        "    include ${DIR}/more.conf;\n"
        "    location / {\n"
        "        proxy_pass https://${BACKEND}:${PORT};\n"
        "        proxy_ssl_protocols SSLv3;\n"
        "    }\n"
        "}\n"
    )
    report = nginxtls.check(tmp_path, settings=Settings())
    texts = [text for f in report.findings for text in (f.message, *f.endpoints, *f.notes, f.help)]
    assert "${A} on ${HOST}:8443" in texts
    assert "SSL 3 is enabled for connections to https://${BACKEND}:${PORT}" in texts
    (row,) = report.endpoints
    assert (row.socket, row.name) == ("${HOST}:8443", "${A}, api.${B}")
    subjects = {entry.subject for entry in report.not_checked}
    assert {"/etc/ssl/{{ site.name }}.pem", "${DIR}/more.conf"} <= subjects
    assert not any("\ufffc" in text for text in (*texts, *subjects))
