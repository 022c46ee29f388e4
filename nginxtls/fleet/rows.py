"""The rows of an item: its endpoints, certificates and findings as plain values, without paths of this machine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from nginxtls.base.secrets import hide
from nginxtls.linting.tables import chain_verdict, key_words
from nginxtls.model.effective import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from nginxtls.api import Reading
    from nginxtls.fleet.hosts import Host
    from nginxtls.linting.report import Report
    from nginxtls.model import Configuration, Endpoint

Row = dict[str, Any]


class Rows:
    """Makes the rows of one item. ``folder`` is where it was unpacked or lies; it is cut off every path."""

    def __init__(self, host: Host, item: str, folder: str, at: datetime) -> None:
        self.host = host
        self.item = item
        self.folder = folder.rstrip("/")
        self.at = at

    def tables(self, reading: Reading, report: Report) -> dict[str, list[Row]]:
        """The rows of the tables endpoints, certificates and findings."""
        configurations = reading.configurations
        return {
            "endpoints": [row for c in configurations for row in self._endpoints(c)],
            "certificates": [row for c in configurations for row in self._certificates(c)],
            "findings": list(self._findings(report)),
        }

    def shown(self, text: str) -> str:
        """A text in which files are named from the item."""
        return text.replace(self.folder + "/", "").replace(self.folder, ".") if self.folder else text

    def _row(self, *key: str, **values: Any) -> Row:
        return {
            "key": key_of(self.host.name, self.item, *key),
            **plain({"host": self.host.name, "team": self.host.team, "item": self.item, **values}),
        }

    def _endpoints(self, configuration: Configuration) -> Iterator[Row]:
        main = self.shown(configuration.tree.roots[0].name)
        for endpoint in configuration.endpoints:
            server = endpoint.server
            location = server.directive
            for name in endpoint.names or ("",):
                yield self._row(
                    main,
                    endpoint.socket.label,
                    name,
                    configuration=main,
                    socket=endpoint.socket.label,
                    name=name,
                    is_default=endpoint.is_default,
                    file=self.shown(location.file.name) if location is not None else "",
                    line=location.line if location is not None else None,
                    **_served(endpoint),
                )

    def _certificates(self, configuration: Configuration) -> Iterator[Row]:
        main = self.shown(configuration.tree.roots[0].name)
        for bundle in configuration.bundles:
            names = (name.text for server in configuration.servers_of(bundle) for name in server.names if name.text)
            sockets = dict.fromkeys(endpoint.socket.label for endpoint in configuration.endpoints_of(bundle))
            leaf = bundle.leaf
            chain, faults = chain_verdict(bundle)
            yield self._row(
                main,
                bundle.path,
                bundle.key_path,
                file=self.shown(bundle.path),
                chain=self.shown(chain),
                chain_faults=faults,
                endpoints=list(sockets),
                server_names=list(dict.fromkeys(names)),
                **({} if leaf is None else _leaf(leaf, self.at)),
            )

    def _findings(self, report: Report) -> Iterator[Row]:
        for finding in report.findings:
            place = finding.location
            yield self._row(
                finding.fingerprint,
                hosts=[self.host.name],
                rule=finding.rule,
                severity=str(finding.severity),
                confidence=finding.confidence.value,
                message=self.shown(finding.message),
                help=self.shown(finding.help),
                file=self.shown(place.name),
                line=place.span.line,
                column=place.span.column,
                endpoints=[self.shown(title) for title in finding.endpoints],
                fingerprint=finding.fingerprint,
            )


def _served(endpoint: Endpoint) -> Row:
    tls = endpoint.tls
    suites = {suite: None for version in reversed(VERSIONS) for suite in tls.suites.get(version, ())}
    verify = tls.verify_client
    return {
        "module": endpoint.socket.module,
        "quic": endpoint.socket.quic,
        "accepts": tls.accepts,
        "protocols": list(tls.versions),
        "suites": [suite.name for suite in suites],
        "groups": [group.name for group in tls.groups],
        "forward_secrecy": all(suite.forward_secrecy for suite in suites) if suites else None,
        "post_quantum": any(group.hybrid for group in tls.groups) and "TLSv1.3" in tls.versions,
        "client_certificate": " ".join(verify.values) or "off" if verify.known else None,
        "tickets": tls.tickets,
        "ticket_keys": [key for key in _ticket_keys(endpoint) if key],
        "alpn": list(tls.alpn),
        "certificates": [bundle.leaf.sha256 for bundle in tls.bundles if bundle.leaf is not None],
    }


def _ticket_keys(endpoint: Endpoint) -> Iterator[str]:
    """The digests of the key files: equal keys can be found, the keys themselves cannot."""
    for directive in endpoint.tls.setting("ssl_session_ticket_key").directives:
        if directive.args:
            content, _ = endpoint.server.store.read(directive.args[0], directive)
            yield hashlib.sha256(content).hexdigest() if content else ""


def _leaf(leaf: Any, at: datetime) -> Row:
    return {
        "sha256": leaf.sha256,
        "public_key_sha256": leaf.public_key_sha256,
        "subject": leaf.subject,
        "issuer": leaf.issuer,
        "serial": f"{leaf.serial:x}",
        "names": [san.value for san in leaf.sans],
        "not_before": leaf.not_before if leaf.has_dates else None,
        "not_after": leaf.not_after if leaf.has_dates else None,
        "days_left": (leaf.not_after - at).days if leaf.has_dates else None,
        "public_key": key_words(leaf.key),
        "signature": leaf.signature_algorithm,
    }


def key_of(*parts: str) -> str:
    """The stable key of a row: 32 hexadecimal digits."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def plain(row: Row) -> Row:
    """A row for Arrow: its texts without key material and lone surrogates, which UTF-8 cannot hold."""
    return {name: plain_value(value) for name, value in row.items()}


def plain_value(value: Any) -> Any:
    """A value of a row as it is written: the name of an item may have anything in it."""
    if isinstance(value, str):
        return hide(value).encode("utf-8", "backslashreplace").decode()
    return list(map(plain_value, value)) if isinstance(value, list) else value
