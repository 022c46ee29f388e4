"""Rules about CA files that cannot verify anybody: OpenSSL needs the chain up to a self-signed certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.serving import titles

from nginxtls.finding import Severity
from nginxtls.rule import NGINX_SSL, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Upstream, VirtualServer
    from nginxtls.pki import Certificate
    from nginxtls.syntax.tree import Directive

PROXY = "https://nginx.org/en/docs/http/ngx_http_proxy_module.html"
VERIFY = "https://docs.openssl.org/3.5/man1/openssl-verification-options/"


def _certificates(configuration: Configuration, directive: Directive) -> tuple[Certificate, ...] | None:
    """The certificates of a CA file; None if it cannot be read or holds none."""
    bundle, _ = configuration.store.read_bundle(directive.args[0], directive)
    return bundle.certificates if bundle is not None and bundle.certificates else None


def _rootless(configuration: Configuration, directives: list[Directive]) -> Certificate | None:
    """A CA of files that together have no self-signed certificate, whose issuer is thus missing.

    None if one of the files could not be read, or none of the certificates is a CA.
    """
    found: list[Certificate] = []
    for directive in directives:
        certificates = _certificates(configuration, directive)
        if certificates is None:
            return None
        found += certificates
    if any(certificate.self_signed for certificate in found):
        return None
    return next((certificate for certificate in found if certificate.is_ca), None)


class ClientCaWithoutRoot(Rule):
    """The CA files for client certificates have no self-signed CA, so every client with a certificate gets 400.

    nginx does not enable partial chains: OpenSSL follows the chain up to a self-signed certificate that is in
    `ssl_client_certificate` or `ssl_trusted_certificate`. With an intermediate alone it ends with `unable to get issuer
    certificate` (measured, all generations). That the client sends its own root does not help.

    Clients: `400 Bad Request` with the text "The SSL certificate error" for everyone who presents a certificate.

    Fix: append the root to the file. To accept only the clients of one intermediate, also check `$ssl_client_i_dn`.

    Silent if one of the files could not be read.

    ```nginx bad
    ssl_verify_client on;
    ssl_verify_depth 2;
    ssl_client_certificate certificates/intermediate.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_verify_depth 2;
    ssl_client_certificate certificates/intermediate.pem;
    ssl_trusted_certificate certificates/root.pem;
    ```
    """

    severity = Severity.ERROR
    references = (f"{NGINX_SSL}#ssl_client_certificate", f"{NGINX_SSL}#ssl_trusted_certificate", VERIFY)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        by_files: dict[tuple[Directive, ...], list[VirtualServer]] = {}
        for server in configuration.servers:
            asks = server.setting("ssl_verify_client")
            if asks.value not in ("on", "optional") or not asks.certain or not (server.fragment or server.speaks_tls):
                continue
            settings = [server.setting("ssl_client_certificate"), server.setting("ssl_trusted_certificate")]
            files = tuple(setting.origin for setting in settings if setting.origin is not None and setting.origin.args)
            if files and all(setting.certain and setting.known for setting in settings):
                by_files.setdefault(files, []).append(server)
        for files, servers in by_files.items():
            lowest = _rootless(configuration, list(files))
            if lowest is None:
                continue
            yield self.at(
                files[0],
                f'every client with a certificate {rejected(servers)}: the root of "{lowest.subject_name}" is missing',
                arg=0,
                labels=[label(other, "has no root, either") for other in files[1:]],
                notes=[f'"{lowest.subject_name}" is issued by "{lowest.issuer_name}"'],
                help=f'append the certificates up to the root, from "{lowest.issuer_name}" on, to {files[0].args[0]}',
                endpoints=titles(servers),
            )


def rejected(servers: Iterable[VirtualServer]) -> str:
    """What servers do with a client whose certificate does not verify: http answers, stream closes the connection."""
    return "gets 400" if any(server.module == "http" for server in servers) else "is disconnected"


class UpstreamCaWithoutRoot(Rule):
    """The CA file for back ends has no self-signed CA, so every verified connection fails with 502.

    nginx does not enable partial chains: OpenSSL follows the chain of the back end up to a self-signed certificate in
    `proxy_ssl_trusted_certificate` (`grpc_`, `uwsgi_`). With an intermediate alone it ends with `unable to get issuer
    certificate` (measured).

    Clients: `502 Bad Gateway` for every request to this back end.

    Fix: append the root to the file.

    ```nginx bad
    location / {
        proxy_pass https://backend.example.com;
        proxy_ssl_server_name on;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/intermediate.pem;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://backend.example.com;
        proxy_ssl_server_name on;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{PROXY}#proxy_ssl_trusted_certificate", VERIFY)
    needs = ("*_ssl_verify",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        by_file: dict[Directive, Upstream] = {}
        for upstream in configuration.upstreams:
            verify, trusted = upstream.setting("verify"), upstream.setting("trusted_certificate")
            if verify.enabled and verify.certain and trusted.origin is not None and trusted.origin.args:
                by_file.setdefault(trusted.origin, upstream)
        for origin, upstream in by_file.items():
            lowest = _rootless(configuration, [origin])
            if lowest is None:
                continue
            target = upstream.directive.written(upstream.target)
            yield self.at(
                origin,
                f'every connection to {target} fails: the root of "{lowest.subject_name}" is missing',
                arg=0,
                labels=[label(upstream.directive, "connects with it")],
                notes=[f'"{lowest.subject_name}" is issued by "{lowest.issuer_name}"'],
                help=f'append the certificates up to the root, from "{lowest.issuer_name}" on, to {origin.args[0]}',
            )
