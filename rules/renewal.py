"""Rules about renewal: files that are never renewed, renewals that failed or that nginx does not see."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from nginxtls.rules.bundles import chain_of, days, moment, tell

from nginxtls.finding import Confidence, Edit, Severity
from nginxtls.rule import Fix, Rule, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, ServedBundle
    from nginxtls.pki import Certificate
    from nginxtls.syntax.tree import Directive

CERTBOT = "https://eff-certbot.readthedocs.io/en/stable/using.html#where-are-my-certificates"
ARCHIVE = re.compile(
    r"(?P<top>.*/?letsencrypt)/archive/(?P<lineage>[^/]+)/(?P<name>fullchain|cert|chain|privkey)\d+\.pem"
)
MANAGED = (
    (re.compile(r"letsencrypt/(live|archive)/[^/]+/[^/]+$"), "certbot"),
    (re.compile(r"(^|/)\.?acme\.sh/[^/]+/[^/]+$"), "acme.sh"),
    (re.compile(r"(^|/)\.?lego/certificates/[^/]+$"), "lego"),
    (re.compile(r"(^|/)dehydrated/certs/[^/]+/[^/]+$"), "dehydrated"),
)
"""Folders of ACME clients, in which nobody else puts a certificate."""
LINEAGES = (
    "/etc/letsencrypt/live/{}/fullchain.pem",
    "/root/.acme.sh/{}_ecc/fullchain.cer",
    "/root/.acme.sh/{}/fullchain.cer",
    "/root/.lego/certificates/{}.crt",
    "/var/lib/dehydrated/certs/{}/fullchain.pem",
    "/etc/dehydrated/certs/{}/fullchain.pem",
)


def is_cert_pem(path: str) -> bool:
    """certbot's file with the leaf alone."""
    return bool(re.search(r"letsencrypt/(live/[^/]+/cert|archive/[^/]+/cert\d+)\.pem$", path))


def manager_of(path: str) -> str | None:
    """The ACME client that renews a file, by its folder."""
    return next((name for pattern, name in MANAGED if pattern.search(path)), None)


def due_for(bundle: ServedBundle) -> Certificate | None:
    """The leaf, if it has not expired and should have been renewed by now."""
    from nginxtls.pki import renewal_threshold

    chain = chain_of(bundle)
    if chain is None or chain.leaf_place:
        return None
    leaf, now = chain.leaf, bundle.configuration.at
    if leaf.not_before > now or leaf.not_after < now or leaf.is_ca:
        return None
    return leaf if leaf.not_after - now < renewal_threshold(leaf) else None


def newer_on_disk(bundle: ServedBundle) -> tuple[str, Certificate] | None:
    """A file with a certificate for the same names that lasts longer, in the folders of ACME clients."""
    configuration, leaf = bundle.configuration, bundle.leaf
    if configuration.files is None or leaf is None or not leaf.dns_names:
        return None
    from nginxtls.pki import read_bundle

    names = sorted({name.removeprefix("*.") for name in leaf.dns_names}, key=len)[:10]
    best: tuple[str, Certificate] | None = None
    for path in (pattern.format(name) for name in names for pattern in LINEAGES):
        content = configuration.files.read(path, configuration.base) if path != bundle.path else None
        other = read_bundle(content, path).leaf if isinstance(content, bytes) else None
        if (
            other is not None
            and set(leaf.dns_names) <= set(other.dns_names)
            and other.not_before <= configuration.at
            and other.not_after > (best[1] if best else leaf).not_after
        ):
            best = path, other
    return best


class RenewalFailed(Rule):
    """A certificate that a program renews is overdue, or has been renewed and nginx is told of the old file.

    certbot, acme.sh, lego and dehydrated renew a certificate when a third of its life is left. One from their folders
    that has less left than that was not renewed, and nobody has noticed. It may also have been renewed into another
    file than the one in the configuration, as when the files were once copied.

    Mend: run the client by hand and read what it says (`certbot renew`); point nginx to the file that it renews.

    What it does not see: what the client would say. Folders outside of what may be read are not looked at.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate renewal-failed/letsencrypt/live/due.example/fullchain.pem;
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

    def check_bundle(self, bundle: ServedBundle) -> Iterator[Finding]:
        from nginxtls.pki import renewal_threshold

        leaf = due_for(bundle)
        if leaf is None or ARCHIVE.search(bundle.path):
            return
        now = bundle.configuration.at
        left = f"{days(leaf.not_after - now)} left"
        if newer := newer_on_disk(bundle):
            path, other = newer
            yield from tell(
                self,
                bundle,
                f'the certificate for "{leaf.subject_name}" was renewed into {path}, which nginx does not use',
                label=f"{left}; the other is valid until {moment(other.not_after)}",
                help=f"name {path}",
            )
        elif manager := manager_of(bundle.path):
            overdue = days(renewal_threshold(leaf) - (leaf.not_after - now))
            yield from tell(
                self,
                bundle,
                f'{manager} should have renewed the certificate for "{leaf.subject_name}" {overdue} ago',
                label=f"{left}, until {moment(leaf.not_after)}",
                help=f"look into the log of {manager}",
            )


def explains_renewal(bundle: ServedBundle) -> bool:
    """renewal-failed or archive-path speaks of this bundle's end."""
    return (
        manager_of(bundle.path) is not None
        or bool(ARCHIVE.search(bundle.path))
        or (due_for(bundle) is not None and newer_on_disk(bundle) is not None)
    )


class CertPemInsteadOfFullchain(Rule):
    """`ssl_certificate` names certbot's `cert.pem`, which has the leaf alone, and not `fullchain.pem`.

    The intermediate is then not sent, and clients that do not have it cached refuse the connection. certbot puts both
    files into one folder; Apache of old wanted the first, nginx wants the second.

    Mend: name `fullchain.pem` of the same folder.

    It needs no file, so it works on a repository; if the file can be read and has the whole chain, it is silent.

    ```nginx bad
    ssl_certificate /etc/letsencrypt/live/example.com/cert.pem;
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
        if not is_cert_pem(path) or _is_complete(path, configuration):
            return
        new = re.sub(r"cert(\d*)\.pem$", r"fullchain\1.pem", path)
        raw = directive.arg_text(0)
        fix = Fix(f"name {new}", (Edit(locate(directive, 0), new),)) if raw == path else None
        yield self.at(
            directive,
            "cert.pem has the leaf alone: the intermediate is not sent",
            arg=0,
            label="without its chain",
            notes=("clients that have the intermediate cached do not notice, all others refuse the connection",),
            help=f"name {new}",
            fix=fix,
        )


def _is_complete(path: str, configuration: Configuration) -> bool:
    content = configuration.files.read(path, configuration.base) if configuration.files and "$" not in path else None
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
        found = ARCHIVE.fullmatch(path)
        if not found or not directive.known:
            return
        if directive.name == "ssl_certificate_key" and _certificate_is_told(directive, configuration):
            return
        live = f"{found['top']}/live/{found['lineage']}/{found['name']}.pem"
        raw = directive.arg_text(0)
        yield self.at(
            directive,
            f"{posixpath.basename(path)} in certbot's archive never changes: renewals are not picked up",
            arg=0,
            help=f"name {live}, and so for its key",
            fix=Fix(f"name {live}", (Edit(locate(directive, 0), live),)) if raw == path else None,
        )


def _certificate_is_told(key: Directive, configuration: Configuration) -> bool:
    """The certificate beside a key is in the archive, too: one fault."""
    found = ARCHIVE.fullmatch(key.args[0])
    return found is not None and any(
        (other := ARCHIVE.fullmatch(line.args[0] if line.args else "")) and other["lineage"] == found["lineage"]
        for line in configuration.directives("ssl_certificate")
    )
