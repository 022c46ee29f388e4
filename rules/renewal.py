"""Rules about renewal: files that are never renewed, renewals that failed or that nginx does not see."""

from __future__ import annotations

import posixpath
from datetime import timedelta
from functools import lru_cache
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
"""What a program has to bring a renewed certificate to where nginx reads it."""


def is_leaf_file(path: str) -> bool:
    """An ACME client's file with the leaf alone."""
    return client_of(path) is not None and fullchain_beside(path) is not None


def valid_leaf(bundle: ServedBundle) -> Certificate | None:
    """The leaf of a bundle that clients accept today as far as its dates go."""
    chain, now = chain_of(bundle), bundle.facts.at
    if chain is None or chain.leaf_place or chain.leaf.is_ca:
        return None
    return chain.leaf if chain.leaf.not_before <= now <= chain.leaf.not_after else None


def left(leaf: Certificate, bundle: ServedBundle) -> str:
    return f"{days(leaf.not_after - bundle.facts.at)} left"


def due_for(bundle: ServedBundle) -> Certificate | None:
    """The leaf, if it has not expired and should have been renewed by now."""
    leaf = valid_leaf(bundle)
    return leaf if leaf is not None and leaf.not_after - bundle.facts.at < threshold(bundle, leaf) else None


def threshold(bundle: ServedBundle, leaf: Certificate) -> timedelta:
    """With less than this left it ends soon."""
    from nginxtls.pki import renewal_threshold

    return renewal_threshold(leaf, bundle.facts.expiry_days)


# -- what ACME clients have on the disk --------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def lineages(configuration: Configuration) -> dict[str, list[tuple[Lineage, str, Certificate]]]:
    """The certificates in the folders of ACME clients, with their lineage and path, by the names they are for."""
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


@lru_cache(maxsize=4)
def _used(configuration: Configuration) -> frozenset[Certificate | None]:
    """The leaves that nginx serves."""
    return frozenset(bundle.leaf for bundle in configuration.bundles)


def newer_on_disk(configuration: Configuration, bundle: ServedBundle) -> tuple[str, Certificate] | None:
    """The newest certificate that an ACME client has got in place of the one in use, and that nginx does not use.

    While that one has time left, or its client has, it must be of the same lineage: another may be meant for another
    server.
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
    """An ACME client renews the file itself, and is not late yet."""
    return client_of(bundle.path) is not None and overdue(configuration, bundle, leaf) is None


def _is_of(configuration: Configuration, bundle: ServedBundle, lineage: Lineage) -> bool:
    """The file is one of a lineage, or a copy of one of its versions."""
    if bundle.path in (lineage.fullchain, lineage.leaf, *lineage.versions):
        return True
    return any(_leaf(path, configuration) == bundle.leaf for path in lineage.versions)


def overdue(configuration: Configuration, bundle: ServedBundle, leaf: Certificate) -> timedelta | None:
    """How long ago its ACME client should have renewed it, by its own settings; None if it has time, or none does."""
    if client_of(bundle.path) is None:
        return None
    settings = {}
    for lineage, _, _ in lineages(configuration).get(leaf.dns_names[0].lower(), ()) if leaf.dns_names else ():
        if lineage.settings and bundle.path in (lineage.fullchain, lineage.leaf) and configuration.store.files:
            content = configuration.store.files.read(lineage.settings, configuration.store.base)
            settings = read_settings(content.decode("utf-8", "replace")) if isinstance(content, bytes) else {}
    usual = threshold(bundle, leaf)
    late = configuration.facts.at - renewal_due(leaf, settings, usual)
    # Clients look twice a day or so, and try again after a failure.
    return late if late > min(2 * DAY, usual / 4) else None


class RenewalFailed(Rule):
    """A certificate that a program renews is overdue, or has been renewed and nginx is told of the old file.

    certbot, acme.sh, lego and dehydrated renew a certificate when a third of its life is left, or when their settings
    beside it say. One from their folders that is past that was not renewed, and nobody has noticed. It may also have
    been renewed into another file than the one in the configuration: the files were once copied, certbot began a second
    lineage (`example.com-0001`), or the link in `live` was not moved.

    Mend: run the client by hand and read what it says (`certbot renew`); point nginx to the file that it renews.

    What it does not see: what the client would say. Folders outside of what may be read are not looked at. As long as a
    certificate has time left, only newer ones of its own lineage count: another may be meant for another server.

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
                f'the certificate for "{leaf.subject_name}" was renewed into {path}, which nginx does not use',
                label=f"{left(leaf, bundle)}; the other is valid until {moment(other.not_after)}",
                help=f"let the link {live} lead to it, and so for its key" if live else f"name {path}",
            )
        elif due_for(bundle) and (late := overdue(configuration, bundle, leaf)) and (client := client_of(bundle.path)):
            yield from at_bundle(
                self,
                configuration,
                bundle,
                f'{client.name} should have renewed the certificate for "{leaf.subject_name}" {days(late)} ago',
                label=f"{left(leaf, bundle)}, until {moment(leaf.not_after)}",
                help=f"look into the log of {client.name}",
            )


def explains_renewal(configuration: Configuration, bundle: ServedBundle) -> bool:
    """renewal-failed or archive-path speaks of this bundle's end."""
    return (
        client_of(bundle.path) is not None
        or bool(live_path(bundle.path))
        or newer_on_disk(configuration, bundle) is not None
    )


class CertPemInsteadOfFullchain(Rule):
    """`ssl_certificate` names an ACME client's file with the leaf alone, and not the one with the full chain.

    The intermediate is then not sent, and clients that do not have it cached refuse the connection. certbot and
    dehydrated put `cert.pem` and `fullchain.pem` into one folder, acme.sh `example.com.cer` and `fullchain.cer`; Apache
    of old wanted the first, nginx wants the second.

    Mend: name `fullchain.pem` (or `fullchain.cer`) of the same folder.

    It needs no file, so it works on a repository; if the file can be read and has the whole chain, it is silent.

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
        fix = Fix(f"name {new}", (Edit(locate(directive, 0), new),)) if raw == path else None
        yield self.at(
            directive,
            f"{posixpath.basename(path)} has the leaf alone: the intermediate is not sent",
            arg=0,
            label="without its chain",
            notes=("clients that have the intermediate cached do not notice, all others refuse the connection",),
            help=f"name {new}",
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
    """A path leads into certbot's `archive` folder, to a numbered file that no renewal ever changes.

    certbot writes each renewed certificate into a new file (`fullchain2.pem`, `fullchain3.pem` …) and moves the links
    in `live`. A configuration that names a number keeps serving that one until it expires.

    Mend: name the link below `live`.

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
        if directive.name == "ssl_certificate_key" and _certificate_is_told(directive, configuration):
            return
        raw = directive.arg_text(0)
        yield self.at(
            directive,
            f"{posixpath.basename(path)} in certbot's archive never changes: renewals are not picked up",
            arg=0,
            help=f"name {live}, and so for its key",
            fix=Fix(f"name {live}", (Edit(locate(directive, 0), live), *_beside(directive))) if raw == path else None,
        )


def _beside(directive: Directive) -> Iterator[Edit]:
    """The same edit of the lines beside it: a new certificate with the old key keeps nginx from starting."""
    folder = posixpath.dirname(live_path(directive.args[0]) or "")
    for line in (directive.parent and directive.parent.block) or directive.file.directives:
        live = live_path(line.args[0]) if line.name in ArchivePath.directives and line.args else None
        if live and line is not directive and posixpath.dirname(live) == folder and line.arg_text(0) == line.args[0]:
            yield Edit(locate(line, 0), live)


def _certificate_is_told(key: Directive, configuration: Configuration) -> bool:
    """The certificate beside a key is in the archive, too: one fault."""
    folder = posixpath.dirname(live_path(key.args[0]) or "")
    return any(
        line.args and posixpath.dirname(live_path(line.args[0]) or "") == folder
        for line in configuration.directives("ssl_certificate")
    )
