"""Structures of up to 100 kB that a hostile author would write, and how the time of a check grows with their size.

    python benchmarks/hostile.py [--unknown] [KIND ...]

Each kind is checked at three sizes up to 100 kB in a process of its own, which is killed after a minute. The table has
the seconds of processor time at each size, the memory at the last one in MB beside that of an empty file, and the
exponent of the growth over what an empty file takes: 1 is linear, 2 quadratic. A kind fails at more than 2 s or 300 MB,
or at an exponent above 1.2 (one of less than 0.3 s at 100 kB has none). The versions of nginx and OpenSSL are given, but for
``--unknown``: then each build in question is looked at.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

SIZES = (25_000, 50_000, 100_000)
SECONDS, MEGABYTES, EXPONENT, TOO_SHORT = 2.0, 300, 1.2, 0.3
CERTIFICATES = Path(__file__).parents[1] / "fixtures/certificates"

Files = dict[str, str]


def lines(template: str, *, head: str = "", tail: str = "", inside: str = "server") -> Callable[[int], Files]:
    """A configuration with a line again and again; ``@`` is its number."""
    frames = {
        "main": ("events {}\n", ""),
        "http": ("events {}\nhttp {\n", "}\n"),
        "server": ("events {}\nhttp {\nserver {\nlisten 443 ssl;\nserver_name a.example;\n", "}\n}\n"),
        "stream": ("events {}\nstream {\n", "}\n"),
        "mail": ("events {}\nmail {\n", "}\n"),
        "nothing": ("", ""),
    }
    start, end = frames[inside]

    def make(size: int) -> Files:
        count = max(size // len(template.replace("@", "12345")), 1)
        body = "".join(template.replace("@", str(number)) + "\n" for number in range(count))
        return {"nginx.conf": f"{start}{head}\n{body}{tail}{end}"}

    return make


def words(
    before: str, word: str, after: str = ";", *, joint: str = " ", inside: str = "server"
) -> Callable[[int], Files]:
    """One directive of many words; ``@`` is the number of each."""

    def make(size: int) -> Files:
        count = size // (len(word.replace("@", "12345")) + len(joint))
        text = f"{before} {joint.join(word.replace('@', str(number)) for number in range(count))}{after}"
        return lines(text, inside=inside)(1)

    return make


def nested(before: str, after: str = "}", *, inside: str = "server", core: str = "") -> Callable[[int], Files]:
    """Blocks in each other."""

    def make(size: int) -> Files:
        count = size // (len(before) + len(after))
        return lines(before * count + core + after * count, inside=inside)(1)

    return make


def as_file(name: str, make: Callable[[int], Files]) -> Callable[[int], Files]:
    """The same as a file of another name, such as a template's."""
    return lambda size: {name: make(size)["nginx.conf"]}


def dump(make: Callable[[int], list[str]]) -> Callable[[int], Files]:
    """A dump of these files, whose names are numbers."""
    return lambda size: {
        "host.dump": "".join(f"# configuration file /{number}:\n{text}\n" for number, text in enumerate(make(size)))
    }


def pem(make: Callable[[int], str], directive: str = "ssl_certificate") -> Callable[[int], Files]:
    """A file that a server names in a directive."""
    head = "events {}\nhttp {\nserver {\nlisten 443 ssl;\nserver_name a.example;\n"
    rest = "" if directive == "ssl_certificate" else "ssl_certificate good.pem;\n"
    return lambda size: {"nginx.conf": f"{head}{rest}{directive} x.pem;\n}}\n}}\n", "x.pem": make(size)}


def certificate(name: str) -> str:
    return (CERTIFICATES / f"{name}.pem").read_text()


def many(text: str) -> Callable[[int], str]:
    return lambda size: text * max(size // len(text), 1)


def sans(size: int) -> str:
    """A certificate of as many names as fit."""
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    names = [x509.DNSName(f"n{number}.example.com") for number in range(size // 26)]
    made = x509.CertificateBuilder(name, name, key.public_key(), 5, datetime(2026, 1, 1), datetime(2026, 9, 1))
    return (
        made.add_extension(x509.SubjectAlternativeName(names), False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )


def asterisks(number: int) -> str:
    """A pattern that matches a rule, another one for each number."""
    word = "directive-newer-than-nginx"
    return "".join(f"*{letter}" if number >> place & 1 else letter for place, letter in enumerate(word)) + "*"


SERVER = "server { listen 443 ssl; server_name s@.example; %s }"
KINDS: dict[str, Callable[[int], Files]] = {
    "servers": lines(SERVER % "", inside="http"),
    "servers with certificates": lines(
        SERVER % "ssl_certificate good.pem; ssl_certificate_key good.key;", inside="http"
    ),
    "servers of other certificates": lines(SERVER % "ssl_certificate @.pem; ssl_certificate_key @.key;", inside="http"),
    "servers of other protocols and ciphers": lines(
        SERVER % "ssl_protocols TLSv1.@; ssl_ciphers HIGH:!X@;", inside="http"
    ),
    "servers of the same name": lines("server { listen 443 ssl; server_name a.example; }", inside="http"),
    "servers of other ports": lines("server { listen 1@ ssl; ssl_protocols TLSv1; }", inside="http"),
    "servers of other addresses": lines("server { listen 10.1.@.1:443 ssl; listen [::@]:443 ssl; }", inside="http"),
    "servers with HSTS and redirects": lines(
        "server { listen 80; server_name s@.example; return 301 https://s@.example$request_uri; }"
        " server { listen 443 ssl; server_name s@.example; add_header Strict-Transport-Security max-age=@; }",
        inside="http",
    ),
    "servers that redirect to the next": lines(
        "server { listen 443 ssl; server_name s@.example; return 301 https://s1@.example/; }", inside="http"
    ),
    "servers of patterns": lines(r"server { listen 443 ssl; server_name ~^(?<a>\w+)\.s@\.example$; }", inside="http"),
    "servers of slow patterns": lines(r"server { listen 443 ssl; server_name ~^(a+)+@$; }", inside="http"),
    "servers of wildcards": lines(
        "server { listen 443 ssl; server_name *.s@.example .t@.example u@.*; }", inside="http"
    ),
    "servers that are subdomains": lines("server { listen 443 ssl; server_name a.b@.c.example; }", inside="http"),
    "servers that proxy": lines(SERVER % "location / { proxy_pass https://b@.example; }", inside="http"),
    "servers that proxy to each other": lines(
        "server { listen 1@ ssl; location / { proxy_pass https://127.0.0.1:1@; } }", inside="http"
    ),
    "names": words("server_name", "n@.example"),
    "a name of many labels": words("server_name", "a@", joint="."),
    "a long name": words("server_name", "a@", joint=""),
    "wildcard names": words("server_name", "*.n@.example"),
    "pattern names": words("server_name", r"~^n@\.(a|b)*$"),
    "one long pattern": words("server_name ~^", "(a|b@)*", joint=""),
    "non-ASCII names": words("server_name", "bücher@.example"),
    "listen lines": lines("listen 1@ ssl;"),
    "the same listen line": lines("listen 443 ssl;"),
    "parameters of listen": words("listen 444 ssl", "fastopen=@"),
    "protocols": words("ssl_protocols", "TLSv1.@"),
    "unknown ciphers": words("ssl_ciphers", "ECDHE-RSA-AES@-GCM", joint=":"),
    "known ciphers": words("ssl_ciphers", "ECDHE-RSA-AES128-GCM-SHA256", joint=":"),
    "cipher operators": words("ssl_ciphers", "+HIGH:-AES:ALL", joint=":"),
    "combined ciphers": words("ssl_ciphers", "kRSA+AES", joint="+"),
    "one long cipher": words("ssl_ciphers", "A@", joint=""),
    "TLS 1.3 suites in commands of OpenSSL": words("ssl_conf_command Ciphersuites", "TLS_AES_@_GCM", joint=":"),
    "signature algorithms": words("ssl_conf_command SignatureAlgorithms", "ECDSA+SHA256", joint=":"),
    "groups": words("ssl_ecdh_curve", "X@", joint=":"),
    "known groups": words("ssl_ecdh_curve", "X25519", joint=":"),
    "commands of OpenSSL": lines("ssl_conf_command Options -X@;"),
    "ciphers in commands of OpenSSL": lines("ssl_conf_command CipherString HIGH:!X@;"),
    "certificates of a server": lines("ssl_certificate c@.pem; ssl_certificate_key c@.key;"),
    "one certificate again and again": lines("ssl_certificate good.pem; ssl_certificate_key good.key;"),
    "repeated directives": lines("ssl_protocols TLSv1.2;"),
    "unknown directives": lines("ssl_protocolls@ on;"),
    "headers": lines('add_header Strict-Transport-Security "max-age=@";'),
    "one long header": words('add_header Strict-Transport-Security "', "max-age=@", '";', joint="; "),
    "alternative services": words("add_header Alt-Svc '", 'h3=":@"', "';", joint=", "),
    "headers of many variables": words('add_header Strict-Transport-Security "', "$v@", '";', joint=""),
    "locations": lines("location /l@ { return 301 https://$host/@; }"),
    "pattern locations": lines(r"location ~ ^/(l@|x)+\.php$ { return 200; }"),
    "nested locations": nested("location /a { "),
    "nested conditions": nested("if ($a) { "),
    "rewrites": lines("rewrite ^/(a@)*b$ /c@ last;"),
    "conditions": lines("if ($host = a@.example) { return 301 https://a@.example; }"),
    "variables": lines("set $v@ $v1@$v@;"),
    "a chain of variables": lines('set $v1@ "$v@x";', head="set $v0 a;"),
    "maps": lines("map $host $m@ { default a@; a@.example b; }", inside="http"),
    "a large map": lines("a@.example b@;", head="map $ssl_server_name $c {", tail="}\n", inside="http"),
    "a map of slow patterns": lines("~^(a+)+@$ b;", head="map $host $c {", tail="}\n", inside="http"),
    "maps of maps": lines("map $m@ $m1@ { default $m@; }", inside="http"),
    "geo, split_clients": lines("split_clients $m@ $s@ { 50% a; * b; }", inside="http"),
    "upstreams": lines("upstream u@ { server b@.example:443; }", inside="http"),
    "servers of an upstream": lines(
        "server b@.example:443;",
        head="upstream u {",
        inside="http",
        tail="}\nserver { listen 80; location / { proxy_pass https://u; } }\n",
    ),
    "proxy locations": lines("location /p@ { proxy_pass https://b@.example; proxy_ssl_verify on; }"),
    "stream servers": lines("server { listen 1@ ssl; proxy_pass b@:443; proxy_ssl on; }", inside="stream"),
    "mail servers": lines("server { listen 1@; protocol imap; starttls on; }", inside="mail"),
    "comments": lines("# comment @"),
    "suppressions": lines("# nginxtls: ignore[unknown@] reason\nssl_protocols TLSv1;"),
    "a suppression of many rules": words("# nginxtls: ignore[", "rule@", "] x\n", joint=","),
    "empty statements": lines(";"),
    "short directives": lines("a;a;a;a;a;a;a;a;a;a;"),
    "nested blocks": nested("a {", inside="main"),
    "nested http": nested("http {", inside="main"),
    "blocks that stay open": words("a {", "a {", inside="main"),
    "closing braces": words("", "}", "", joint="", inside="main"),
    "open quotes": words("", "\"a '", "", joint="", inside="main"),
    "escapes": words('a "', '\\\\\\"', '";', joint="", inside="main"),
    "one long word": words("a", "x", joint="", inside="main"),
    "words": words("a", "x", inside="main"),
    "blank lines": lines("  "),
    "one line": words("", "server { listen 443 ssl; ssl_protocols TLSv1.@; }", "", inside="http"),
    "lua": words("content_by_lua_block {", "{ [[ @ ]] }", "}", inside="server"),
    "includes of nothing": lines("include x@.conf;"),
    "patterns of includes": lines("include **/*@*/*.conf;"),
    "includes that double": dump(lambda size: [f"include /{n + 1};\n" * 2 for n in range(size // 40)]),
    "a chain of includes": dump(lambda size: [f"include /{n + 1};" for n in range(size // 40)]),
    "includes that lead back": dump(lambda size: [f"include /{n}; include /*; include /0;" for n in range(size // 60)]),
    "many includes of one file": dump(
        lambda size: ["http { server { listen 443 ssl; " + "include /1;" * (size // 11) + "} }", "ssl_protocols TLSv1;"]
    ),
    "files of a dump": dump(lambda size: ["http { include /*; }", *["server { listen 443 ssl; }"] * (size // 60)]),
    "template conditions": as_file("n.conf.j2", lines("{% if a@ %}ssl_protocols TLSv1;{% endif %}")),
    "nested template conditions": as_file(
        "n.conf.j2", nested("{% if a %}", "{% endif %}", core="ssl_protocols TLSv1;")
    ),
    "template alternatives": as_file(
        "n.conf.j2", lines("{% if a@ %}ssl_ciphers A@;{% else %}ssl_ciphers B;{% endif %}")
    ),
    "template expressions": as_file("n.conf.j2", lines("ssl_certificate {{ a@ | default('x@') }}.pem;")),
    "open template tags": as_file("n.conf.j2", words("", "{{ a", "")),
    "erb": as_file("n.conf.erb", lines("<% if a %>ssl_protocols <%= b@ %>;<% end %>")),
    "placeholders": as_file("n.conf.template", lines("ssl_certificate ${CERT_@};")),
    "a chain of one certificate": pem(many(certificate("good"))),
    "a chain of several": pem(many(certificate("good") + certificate("cross-signed") + certificate("deep"))),
    "a certificate of many names": pem(sans),
    "keys": pem(many((CERTIFICATES / "good.key").read_text()), "ssl_certificate_key"),
    "text before a certificate": pem(lambda size: "x\n" * (size // 2) + certificate("good")),
    "BEGIN lines": pem(many("-----BEGIN CERTIFICATE-----\n")),
    "hyphens": pem(lambda size: "-" * size),
    "one line of base64": pem(
        lambda size: "-----BEGIN CERTIFICATE-----\n" + "A" * size + "\n-----END CERTIFICATE-----\n"
    ),
    "client CAs": pem(
        many(certificate("good") + certificate("client-ca")), "ssl_verify_client on; ssl_client_certificate"
    ),
    "revocation lists": pem(many(certificate("crl")), "ssl_crl"),
    "DH parameters": pem(many(certificate("dh2048")), "ssl_dhparam"),
    "keys in the text": lines(
        'ssl_certificate_key "data:-----BEGIN PRIVATE KEY-----\\nMIGH@AgEAMBMGByqGSM49AgEGCCqGSM49\\n";'
    ),
    "keys of variables": lines('set $k@ "MIG$k1@"; ssl_certificate_key "data:$k@$k2@";'),
    "headers of keys": lines("# -----BEGIN PRIVATE KEY-----"),
    "base64": words("a", "QUJD@REVm", joint=""),
    "PINs": lines("ssl_certificate_key 'engine:pkcs11:pin-value=@';"),
    "a Dockerfile": lambda size: {
        "Dockerfile": "FROM nginx\n" + "COPY a /etc/nginx/\n" * (size // 20),
        "a.conf": "listen 443 ssl;",
    },
    "a Compose file": lambda size: {
        "compose.yml": "image: nginx\nvolumes:\n" + "  - ./a:/etc/nginx/a\n" * (size // 22),
        "a.conf": "listen 443 ssl;",
    },
    "a manifest": lambda size: {"m.yaml": "a.conf: |\n  server { listen 443 ssl; }\n" * (size // 39)},
    "manifests": lambda size: {
        "m.yaml": "".join(
            f"s{n}.conf: |\n  server {{ listen 443 ssl; server_name s{n}.example; ssl_protocols TLSv1; }}\n"
            for n in range(size // 80)
        )
    },
    "ignored paths": lambda size: {".gitignore": "*a*b*c*\n" * (size // 8), "a" * 100 + ".conf": "listen 443 ssl;\n"},
    "a long ignored path": lambda size: {".gitignore": "a" * size, "a.conf": "listen 443 ssl;\n"},
    "files": lambda size: {f"{number}.conf": "server { listen 443 ssl; }\n" for number in range(size // 100)},
    "patterns of rules": lambda size: {
        ".nginxtls.yaml": "per-path-ignores:\n" + "".join(f"  a{n}: ['{asterisks(n)}']\n" for n in range(size // 40)),
        "a.conf": "server { listen 443 ssl; ssl_protocols TLSv1; }\n",
    },
    "settings": lambda size: {
        ".nginxtls.yaml": "per-path-ignores:\n" + "".join(f"  'a{n}/*.conf': [hsts-*]\n" for n in range(size // 28)),
        "a.conf": "server { listen 443 ssl; ssl_protocols TLSv1; }\n",
    },
}

CHILD = """
import resource, sys, time
from datetime import datetime, timezone
import nginxtls
from nginxtls.report import Options, renderer
at = datetime(2026, 6, 15, tzinfo=timezone.utc)
start = time.process_time()
versions = dict(nginx_version="1.26.3", openssl_version="3.5.1") if "given" in sys.argv else {}
report = nginxtls.check(".", **versions, at=at)
for form in ("text", "json"):
    renderer(form)(report, Options(verbose=True))
seconds = time.process_time() - start
broken = [failure.reason for failure in report.failures if "bug" in failure.help]
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, broken)
"""


def measured(files: Files, versions: str) -> tuple[float, float, str]:
    """Seconds and MB of a check in a process of its own, and what broke; ``versions`` are "given" or "unknown"."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("good.pem", "good.key"):
            (Path(folder) / name).write_bytes((CERTIFICATES / name).read_bytes())
        (Path(folder) / ".git").mkdir()
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        try:
            done = subprocess.run(
                [sys.executable, "-c", CHILD, versions],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return math.inf, math.inf, "hangs"
    if done.returncode:
        return math.inf, math.inf, done.stderr.strip().splitlines()[-1]
    seconds, megabytes, broken = done.stdout.strip().split(" ", 2)
    return float(seconds), float(megabytes), broken.strip("[]")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="one of the table's; all by default")
    parser.add_argument("--unknown", action="store_true", help="without the versions of nginx and OpenSSL")
    options = parser.parse_args()
    versions = "unknown" if options.unknown else "given"
    chosen = {name: make for name, make in KINDS.items() if name in (options.kinds or KINDS)}
    least, memory, _ = min(measured({"nginx.conf": "events {}\n"}, versions) for _ in range(3))
    print(f"{'kind':42} {'25 kB':>7} {'50 kB':>7} {'100 kB':>7} {'MB':>5} {'exponent':>8}")
    failed = 0
    for name, make in chosen.items():
        times = []
        for size in SIZES:
            seconds, megabytes, broken = measured(make(size), versions)
            if seconds > least + TOO_SHORT:
                again = measured(make(size), versions)  # the machine may have been busy
                seconds = min(seconds, again[0])
            times.append(seconds)
            if broken or seconds == math.inf:
                break
        net = [max(each - least, 0.02) for each in times]
        growth = math.log(net[-1] / net[0]) / math.log(SIZES[len(net) - 1] / SIZES[0]) if len(net) > 1 else math.inf
        exponent = growth if net[-1] >= TOO_SHORT else 0.0
        wrong = broken or times[-1] > SECONDS or megabytes - memory > MEGABYTES or exponent > EXPONENT
        failed += bool(wrong)
        shown = " ".join(f"{each:7.2f}" for each in times).ljust(23)
        mark = f"  {broken or 'FAILS'}" if wrong else ""
        print(
            f"{name:42} {shown} {megabytes - memory:5.0f} {f'{exponent:8.2f}' if exponent else '       -'}{mark}",
            flush=True,
        )
    print(f"{len(chosen)} kinds, {failed} fail; an empty file takes {least:.2f} s and {memory:.0f} MB")
    sys.stdout.flush()
    os._exit(bool(failed))


if __name__ == "__main__":
    main()
