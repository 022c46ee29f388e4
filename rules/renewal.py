"""Rules about renewal: files that are never renewed, failed renewals, and renewed files that nginx does not use."""

from __future__ import annotations

import posixpath
from datetime import timedelta
from typing import TYPE_CHECKING

from nginxtls.rules.common.bundles import at_bundle, chain_of, days, moment

from nginxtls.finding import Confidence, Edit, Severity
from nginxtls.pki.lineage import (
    CLIENTS,
    client_of,
    find_lineages,
    fullchain_beside,
    home_of,
    live_path,
    newer,
    read_settings,
    renewal_due,
)
from nginxtls.rule import Fix, Rule, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, ServedBundle
    from nginxtls.pki import Certificate
    from nginxtls.pki.lineage import Lineage
    from nginxtls.syntax.tree import Directive

CERTBOT = "https://eff-certbot.readthedocs.io/en/stable/using.html#where-are-my-certificates"
DAY = timedelta(days=1)
"""How long a deployment job may take to copy a renewed certificate to the path that nginx reads."""


def is_leaf_file(path: str) -> bool:
    """Whether a path is an ACME client's file with only the leaf."""
    return client_of(path) is not None and fullchain_beside(path) is not None


def valid_leaf(bundle: ServedBundle) -> Certificate | None:
    """The leaf of a bundle that nginx loads, if the current time is within its validity."""
    chain, now = chain_of(bundle), bundle.facts.at
    if chain is None or chain.leaf_place or chain.leaf.is_ca:
        return None
    return chain.leaf if chain.leaf.not_before <= now <= chain.leaf.not_after else None


def left(leaf: Certificate, bundle: ServedBundle) -> str:
    """``12 days left``: the remaining lifetime as shown in labels."""
    return f"{days(leaf.not_after - bundle.facts.at)} left"


def due_for(bundle: ServedBundle) -> Certificate | None:
    """The leaf, if it has not expired and should have been renewed by now."""
    leaf = valid_leaf(bundle)
    return leaf if leaf is not None and leaf.not_after - bundle.facts.at < threshold(bundle, leaf) else None


def threshold(bundle: ServedBundle, leaf: Certificate) -> timedelta:
    """The remaining lifetime below which a renewal is due."""
    from nginxtls.pki import renewal_threshold

    return renewal_threshold(leaf, bundle.facts.expiry_days)


# -- what ACME clients have on the disk --------------------------------------------------------------------------------


def lineages(configuration: Configuration) -> dict[str, list[tuple[Lineage, str, Certificate]]]:
    """The certificates in the folders of ACME clients, with lineage and path, by DNS name in lower case."""
    return configuration.memo("lineages", lambda: _lineages(configuration))


def _lineages(configuration: Configuration) -> dict[str, list[tuple[Lineage, str, Certificate]]]:
    files = configuration.store.files
    if files is None:
        return {}
    homes = {client: dict.fromkeys(client.homes) for client in CLIENTS}
    for client, home in filter(None, (home_of(bundle.path) for bundle in configuration.bundles)):
        homes[client][home] = None
    patterns = [f"{home}/{pattern}" for client in CLIENTS for home in homes[client] for pattern in client.files]
    listings = (files.expand(pattern, configuration.store.base) for pattern in patterns)
    listing = [found.nginx_path for listed in listings if isinstance(listed, list) for found in listed]
    known: dict[str, list[tuple[Lineage, str, Certificate]]] = {}
    for lineage in find_lineages(listing):
        for path in dict.fromkeys(filter(None, (lineage.fullchain, *lineage.versions[-1:]))):
            leaf = _leaf(path, configuration)
            if leaf is None:
                continue
            for name in leaf.dns_names:
                known.setdefault(name.lower(), []).append((lineage, path, leaf))
    return known


def _leaf(path: str, configuration: Configuration) -> Certificate | None:
    content = configuration.store.files.read(path, configuration.store.base) if configuration.store.files else None
    if not isinstance(content, bytes):
        return None
    from nginxtls.pki import read_bundle

    return read_bundle(content, path).leaf


def _used(configuration: Configuration) -> frozenset[Certificate | None]:
    """The leaves that nginx serves."""
    return configuration.memo("used leaves", lambda: frozenset(bundle.leaf for bundle in configuration.bundles))


def newer_on_disk(configuration: Configuration, bundle: ServedBundle) -> tuple[str, Certificate] | None:
    """Path and certificate of the newest renewal on disk that nginx does not use; None if there is none.

    As long as the current certificate or its ACME client is within its renewal window, only certificates of the same
    lineage count: another one may belong to another server.
    """
    leaf = bundle.leaf
    if leaf is None or not leaf.dns_names:
        return None
    due = due_for(bundle)
    fresh = valid_leaf(bundle) is not None and (due is None or _has_time(configuration, bundle, due))
    if fresh and client_of(bundle.path) is None and not configuration.store.sees_machine:
        return None
    latest = configuration.facts.at - DAY if fresh else configuration.facts.at
    others = [
        (path, other)
        for lineage, path, other in lineages(configuration).get(leaf.dns_names[0].lower(), ())
        if other is not leaf
        and other.not_before <= latest
        and not (fresh and not _is_of(configuration, bundle, lineage))
    ]
    return newer(leaf, [(path, other) for path, other in others if other not in _used(configuration)])


def _has_time(configuration: Configuration, bundle: ServedBundle, leaf: Certificate) -> bool:
    """Whether an ACME client renews the file and its renewal is not overdue."""
    return client_of(bundle.path) is not None and overdue(configuration, bundle, leaf) is None


def _is_of(configuration: Configuration, bundle: ServedBundle, lineage: Lineage) -> bool:
    """Whether the file is part of a lineage, or a copy of one of its versions."""
    if bundle.path in (lineage.fullchain, lineage.leaf, *lineage.versions):
        return True
    return any(_leaf(path, configuration) == bundle.leaf for path in lineage.versions)


def overdue(configuration: Configuration, bundle: ServedBundle, leaf: Certificate) -> timedelta | None:
    """How long a renewal is overdue by the settings of the ACME client; None if it is not, or none is planned."""
    if client_of(bundle.path) is None:
        return None
    settings = _settings(configuration, bundle.path, leaf.dns_names[0]) if leaf.dns_names else {}
    usual = threshold(bundle, leaf)
    late = configuration.facts.at - renewal_due(leaf, settings, usual)
    # ACME clients run about twice a day and retry after a failure.
    return late if late > min(2 * DAY, usual / 4) else None


def is_renewed_by_http(configuration: Configuration, host: str) -> bool:
    """Whether an ACME client may get the certificate of a name by challenges over HTTP that nginx serves.

    The file is one of an ACME client, and the client's settings, where they can be read, name a folder of the web
    server (``authenticator = webroot``, acme.sh's ``Le_Webroot``).
    """
    with_tls = (socket for socket in configuration.sockets if socket.module == "http" and socket.speaks_tls)
    servers = dict.fromkeys(filter(None, (socket.names.find(host) for socket in with_tls)))
    for bundle in (bundle for server in servers for bundle in server.bundles if client_of(bundle.path)):
        settings = _settings(configuration, bundle.path, host)
        way = settings.get("authenticator", "webroot" if settings.get("Le_Webroot", "/")[:1] == "/" else "")
        if way == "webroot":
            return True
    return False


def _settings(configuration: Configuration, path: str, name: str) -> dict[str, str]:
    """What the ACME client's settings say of the certificate in a file; nothing where they cannot be read."""
    found: dict[str, str] = {}
    for lineage, _, _ in lineages(configuration).get(name.lower(), ()):
        if lineage.settings and path in (lineage.fullchain, lineage.leaf) and configuration.store.files:
            content = configuration.store.files.read(lineage.settings, configuration.store.base)
            found = read_settings(content.decode("utf-8", "replace")) if isinstance(content, bytes) else {}
    return found


class RenewalFailed(Rule):
    """A certificate managed by an ACME client is overdue for renewal, or nginx still uses the file of an old one.

    certbot, acme.sh, lego and dehydrated renew a certificate when a third of its lifetime is left, or when the settings
    next to it specify. A certificate in their folders that is past this time was not renewed. It may also have been
    renewed into a file that the configuration does not use: the files were copied once, certbot created a second
    lineage (`example.com-0001`), or the link in `live` was not updated.

    Clients: nothing until the certificate expires; then NET::ERR_CERT_DATE_INVALID or SEC_ERROR_EXPIRED_CERTIFICATE.

    Fix: run the client manually and read its output (`certbot renew`); configure the file that it renews.

    Limitations: the output of the client is not available, and folders that may not be read are not checked. Before the
    renewal is due, only newer certificates of the same lineage count: another one may belong to another server.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/renewal-failed/letsencrypt/live/due.example/fullchain.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (298,)
    references = (CERTBOT, "https://letsencrypt.org/docs/integration-guide/#when-to-renew")

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        leaf = valid_leaf(bundle)
        if leaf is None or live_path(bundle.path):
            return
        if newer := newer_on_disk(configuration, bundle):
            path, other = newer
            live = live_path(path)
            yield from at_bundle(
                self,
                configuration,
                bundle,
                f'nginx does not use the renewed certificate for "{leaf.subject_name}": {path}',
                label=f"{left(leaf, bundle)}; the renewed one is valid until {moment(other.not_after)}",
                help=f"update the link {live} to point to it, and the link of its key"
                if live
                else f"set the path to {path}",
            )
        elif due_for(bundle) and (late := overdue(configuration, bundle, leaf)) and (client := client_of(bundle.path)):
            yield from at_bundle(
                self,
                configuration,
                bundle,
                f'{client.name} should have renewed the certificate for "{leaf.subject_name}" {days(late)} ago',
                label=f"{left(leaf, bundle)}, until {moment(leaf.not_after)}",
                help=f"check the log of {client.name}",
            )


def explains_renewal(configuration: Configuration, bundle: ServedBundle) -> bool:
    """Whether renewal-failed or archive-path reports the expiry of this bundle."""
    return (
        client_of(bundle.path) is not None
        or bool(live_path(bundle.path))
        or newer_on_disk(configuration, bundle) is not None
    )


class CertPemInsteadOfFullchain(Rule):
    """`ssl_certificate` names an ACME client's file with only the leaf instead of the full chain.

    nginx does not send the intermediate, and clients that do not have it cached reject the connection. certbot and
    dehydrated write `cert.pem` and `fullchain.pem` into one folder, acme.sh writes `example.com.cer` and
    `fullchain.cer`. Old Apache versions require the first file, nginx requires the second.

    Clients: `curl` exits with code 60 (`unable to get local issuer certificate`), and other programs fail in the same
    way; most browsers connect, as they have the intermediate or fetch it.

    Fix: use `fullchain.pem` (or `fullchain.cer`) from the same folder.

    Only the path is needed, so the rule also works in a repository. If the file can be read and contains the full
    chain, nothing is reported.

    ```nginx bad
    ssl_certificate /etc/letsencrypt/live/example.com/cert.pem;
    ```

    ```nginx bad
    ssl_certificate /root/.acme.sh/example.com_ecc/example.com.cer;
    ```

    ```nginx good
    ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (295,)
    references = (CERTBOT, "https://nginx.org/en/docs/http/configuring_https_servers.html#chains")
    directives = ("ssl_certificate",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        path = directive.args[0] if directive.args else ""
        new = fullchain_beside(path)
        if new is None or client_of(path) is None or _is_complete(path, configuration):
            return
        raw = directive.arg_text(0)
        fix = Fix(f"replace it with {new}", (Edit(locate(directive, 0), new),)) if raw == path else None
        yield self.at(
            directive,
            f"nginx does not send the intermediate: {posixpath.basename(path)} contains only the leaf",
            arg=0,
            label="without the chain",
            notes=("clients with the intermediate cached connect, all others reject the connection",),
            help=f"replace it with `{new}`",
            fix=fix,
        )


def _is_complete(path: str, configuration: Configuration) -> bool:
    content = (
        configuration.store.files.read(path, configuration.store.base)
        if configuration.store.files and "$" not in path
        else None
    )
    if not isinstance(content, bytes):
        return False
    from nginxtls.pki import read_bundle

    return len(read_bundle(content, path).certificates) > 1


class ArchivePath(Rule):
    """A path points to a numbered file in certbot's `archive` folder, which no renewal ever changes.

    certbot writes each renewed certificate to a new file (`fullchain2.pem`, `fullchain3.pem` …) and updates the links
    in `live`. With a numbered file, nginx keeps serving the same certificate until it expires.

    Clients: nothing until the old certificate expires; then NET::ERR_CERT_DATE_INVALID, although certbot renews without
    an error.

    Fix: use the link in `live`.

    ```nginx bad
    ssl_certificate /etc/letsencrypt/archive/example.com/fullchain1.pem;
    ssl_certificate_key /etc/letsencrypt/archive/example.com/privkey1.pem;
    ```

    ```nginx good
    ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ```
    """

    severity = Severity.ERROR
    security_severity = 4.3
    confidence = Confidence.CERTAIN
    references = (CERTBOT,)
    directives = ("ssl_certificate", "ssl_certificate_key", "ssl_trusted_certificate")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        path = directive.args[0] if directive.args else ""
        live = live_path(path)
        if live is None or client_of(path) is None or not directive.known:
            return
        if directive.name == "ssl_certificate_key" and _certificate_is_reported(directive, configuration):
            return
        raw = directive.arg_text(0)
        yield self.at(
            directive,
            f"nginx does not use renewed certificates: certbot never changes {posixpath.basename(path)} in its archive",
            arg=0,
            help=f"replace it with `{live}`, and the related paths likewise",
            fix=Fix(f"replace it with {live}", (Edit(locate(directive, 0), live), *_beside(directive)))
            if raw == path
            else None,
        )


def _beside(directive: Directive) -> Iterator[Edit]:
    """The same edit of the lines beside it: a new certificate with the old key keeps nginx from starting."""
    folder = posixpath.dirname(live_path(directive.args[0]) or "")
    for line in (directive.parent and directive.parent.block) or directive.file.directives:
        live = live_path(line.args[0]) if line.name in ArchivePath.directives and line.args else None
        if live and line is not directive and posixpath.dirname(live) == folder and line.arg_text(0) == line.args[0]:
            yield Edit(locate(line, 0), live)


def _certificate_is_reported(key: Directive, configuration: Configuration) -> bool:
    """Whether the certificate of a key is in the archive, too, so that the fault is reported there."""
    folder = posixpath.dirname(live_path(key.args[0]) or "")
    return any(
        line.args and posixpath.dirname(live_path(line.args[0]) or "") == folder
        for line in configuration.directives("ssl_certificate")
    )
