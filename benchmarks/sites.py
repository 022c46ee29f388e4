"""Makes a tree of N sites as hosts have them: a redirect and a TLS server each, shared snippets, K certificates.

    python benchmarks/sites.py FOLDER --sites 5000 --certificates 500 [--findings 0.5] [--layout templates]

nginx accepts it (``nginx -t -p PREFIX -c FOLDER/nginx.conf``, from 1.25.1 on); what it writes comes into its prefix.
Of the sites the share ``--findings`` has a fault each, of the kinds in ``FAULTS`` in turn. Layouts: ``host``, a tree
like ``/etc/nginx``; ``loose``, the sites without a main file; ``templates``, the sites as templates of the official
image with Compose's values beside them; ``docker``, a repository of a service per ten sites, each with a Dockerfile and
a configuration of its own.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

MAIN = """\
worker_processes auto;
pid nginx.pid;
error_log error.log;

events {
    worker_connections 1024;
}

http {
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    server_names_hash_max_size 65536;
    server_names_hash_bucket_size 128;
    default_type application/octet-stream;
    access_log access.log;
    client_body_temp_path client_body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include snippets/tls.conf;

    server {
        listen 443 ssl default_server;
        listen [::]:443 ssl default_server;
        ssl_reject_handshake on;
    }

    include sites-enabled/*.conf;
}
"""

TLS = """\
ssl_protocols TLSv1.2 TLSv1.3;
ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384;
ssl_prefer_server_ciphers off;
ssl_session_cache shared:TLS:10m;
ssl_session_timeout 1d;
ssl_session_tickets off;
"""

ACME = """\
location /.well-known/acme-challenge/ {
    root /var/www/acme;
}
"""

PROXY = """\
proxy_http_version 1.1;
proxy_set_header Host $host;
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_read_timeout 60s;
"""

SNIPPETS = {"tls": TLS, "acme": ACME, "proxy": PROXY}

COMPOSE = """\
services:
  web:
    image: nginx:1.28
    environment:
      DOMAIN: example.com
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro
      - ./snippets:/etc/nginx/snippets:ro
      - ./templates:/etc/nginx/templates:ro
      - ./certificates:/etc/nginx/certificates:ro
"""

DOCKERFILE = """\
FROM nginx:1.28
COPY nginx/ /etc/nginx/
"""

SITE = """\
# {name}: made for the benchmark
server {{
    listen 80;
    listen [::]:80;
    server_name {name} www.{name};
    include snippets/acme.conf;
    location / {{
        return 301 https://{name}$request_uri;
    }}
}}

server {{
    listen 443 ssl;
    listen [::]:443 ssl;
    http2 on;
    server_name {name} www.{name};
    root /var/www/{name};
    index index.html;

    ssl_certificate certificates/{certificate}.pem;
    ssl_certificate_key certificates/{certificate}.key;
    add_header Strict-Transport-Security "max-age=63072000" always;

    access_log access.log combined;

    location / {{
        try_files $uri $uri/ =404;
    }}
    location /api/ {{
        include snippets/proxy.conf;
        proxy_pass http://127.0.0.1:{port};
    }}
    location ~* \\.(css|js|png|jpg|svg|woff2)$ {{
        expires 30d;
    }}
}}
"""

HSTS = 'add_header Strict-Transport-Security "max-age=63072000" always;'
FAULTS = (
    # what is replaced in the text of a site, and what takes its place
    ("http2 on;", "http2 on;\n    ssl_protocols TLSv1 TLSv1.1 TLSv1.2;"),
    ("http2 on;", "http2 on;\n    ssl_ciphers HIGH:!aNULL:!MD5;\n    ssl_prefer_server_ciphers on;"),
    ("http2 on;", "http2 on;\n    ssl_ciphers ECDHE-RSA-AES128-SHA:AES128-SHA:DES-CBC3-SHA;"),
    ("index index.html;", "index index.html;\n    ssl_stapling on;\n    ssl_stapling_verify on;"),
    (HSTS, 'add_header Strict-Transport-Security "max-age=300";'),
    (HSTS, ""),
    ("try_files $uri $uri/ =404;", "add_header X-Frame-Options DENY;\n        try_files $uri $uri/ =404;"),
    ("proxy_pass http://127.0.0.1:", "proxy_ssl_verify on;\n        proxy_pass https://127.0.0.1:"),
    ("http2 on;", "http2 on;\n    ssl_verify_client optional_no_ca;"),
    ("http2 on;", "http2 on;\n    ssl_early_data on;"),
    ("http2 on;", "http2 on;\n    ssl_session_timeout 7d;\n    ssl_session_tickets on;"),
    ("listen [::]:443 ssl;", ""),
    ("listen [::]:80;", ""),
    ("return 301 https://{name}", "return 301 https://{name}:8443"),
    ("server_name {name} www.{name};\n    root", "server_name {name} www.{name} other.{name}.test;\n    root"),
)


def make(folder: Path, sites: int, certificates: int, findings: float = 0, layout: str = "host") -> None:
    """Write the tree. Site i has certificate i modulo K, made for all the names that use it.

    Its CA is ``certificates/root.pem``, which clients are to trust: with it there is nothing to find in a tree without
    ``findings``, the share of sites that have a fault.
    """
    write = {"host": _host, "loose": _loose, "templates": _templates, "docker": _docker}[layout]
    write(folder, {file_of(number): site(number, certificates, findings) for number in range(sites)})
    _certificates(folder / "certificates", sites, certificates)


def site(number: int, certificates: int, findings: float = 0) -> str:
    """The text of one site."""
    text, count = SITE, int((number + 1) * findings)
    if count > int(number * findings):
        good, bad = FAULTS[count % len(FAULTS)]
        assert good in text, good
        text = text.replace(good, bad)
    name = names_of(range(number, number + 1))[0]
    return text.format(name=name, certificate=f"c{number % certificates:05}", port=8000 + number % 100)


def file_of(number: int) -> str:
    """The name of a site's file."""
    return f"site{number:05}.example.com.conf"


def _host(folder: Path, texts: dict[str, str]) -> None:
    for name in ("snippets", "sites-enabled", "certificates"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "nginx.conf").write_text(MAIN)
    for name, text in SNIPPETS.items():
        (folder / f"snippets/{name}.conf").write_text(text)
    for name, text in texts.items():
        (folder / "sites-enabled" / name).write_text(text)


def _loose(folder: Path, texts: dict[str, str]) -> None:
    """The sites without a main file that includes them."""
    _host(folder, texts)
    (folder / "nginx.conf").unlink()


def _templates(folder: Path, texts: dict[str, str]) -> None:
    """The sites as templates, whose domain is a value of the Compose file beside them."""
    _host(folder, {})
    (folder / "templates").mkdir()
    for name, text in texts.items():
        (folder / f"templates/{name}.template").write_text(text.replace(".example.com", ".${DOMAIN}"))
    (folder / "nginx.conf").write_text(MAIN.replace("sites-enabled", "conf.d"))
    (folder / "compose.yaml").write_text(COMPOSE)


def _docker(folder: Path, texts: dict[str, str]) -> None:
    """A folder of a service for every ten sites, each with a Dockerfile."""
    names = list(texts)
    for first in range(0, len(names), 10):
        service = folder / f"services/web{first // 10:04}"
        _host(service / "nginx", {name: texts[name] for name in names[first : first + 10]})
        (service / "Dockerfile").write_text(DOCKERFILE)
    (folder / "certificates").mkdir()


def dump(folder: Path) -> str:
    """The configuration as ``nginx -T`` would print it on a machine that has it in ``/etc/nginx``."""
    files = [folder / "nginx.conf", *(folder / "snippets").iterdir(), *sorted((folder / "sites-enabled").iterdir())]
    return "".join(
        f"# configuration file /etc/nginx/{file.relative_to(folder)}:\n{file.read_text()}\n" for file in files
    )


def names_of(numbers: range) -> list[str]:
    """The names of sites, two of each."""
    return [name for number in numbers for name in (f"site{number:05}.example.com", f"www.site{number:05}.example.com")]


def _certificates(folder: Path, sites: int, count: int) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.timezone.utc)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    root_key, key_of_issuer = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def issue(subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey,
              names: list[str]) -> x509.Certificate:  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=10))
            .not_valid_after(now + datetime.timedelta(days=80))
            .add_extension(x509.BasicConstraints(not names, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(n) for n in names])
            builder = builder.add_extension(alternatives, critical=False)
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
            builder = builder.add_extension(usage, critical=False)
        return builder.sign(signer, hashes.SHA256())

    root = issue("Benchmark Root", root_key, "Benchmark Root", root_key, [])
    (folder / "root.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    issuer = issue("Benchmark CA", key_of_issuer, "Benchmark Root", root_key, [])
    tail = issuer.public_bytes(serialization.Encoding.PEM)
    for number in range(count):
        names = names_of(range(number, sites, count))
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = issue(names[0], key, "Benchmark CA", key_of_issuer, names)
        (folder / f"c{number:05}.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + tail)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"c{number:05}.key").write_bytes(private)
        (folder / f"c{number:05}.key").chmod(0o600)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sites", type=int, default=1000)
    parser.add_argument("--certificates", type=int, default=100)
    parser.add_argument("--findings", type=float, default=0, metavar="SHARE", help="of the sites have a fault")
    parser.add_argument("--layout", choices=("host", "loose", "templates", "docker"), default="host")
    parser.add_argument("--dump", type=Path, metavar="FILE", help="write it as nginx -T would print it, too")
    options = parser.parse_args()
    if not 1 <= options.certificates <= options.sites:
        parser.error("as many certificates as sites at most, and at least one")
    make(options.folder, options.sites, options.certificates, options.findings, options.layout)
    if options.dump:
        options.dump.write_text(dump(options.folder))


if __name__ == "__main__":
    main()
