"""Certificates whose paths have variables: the files that nginx chooses for each name that clients request.

nginx evaluates the path at each handshake, before there is a request: ``$ssl_server_name`` is the name that the client
requests, ``$host`` and ``$server_name`` are the first name of the server; what comes with a request, what ``set``
assigns, and the captures of a ``server_name`` are empty (measured on 1.18.0 to 1.30.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple, pattern
from nginxtls.model.bundles import ServedBundle
from nginxtls.model.names import valid_host
from nginxtls.model.request_variables import Request, Unknown, Variables, primary_name
from nginxtls.model.store import is_file
from nginxtls.model.variables import VARIABLE, definitions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.endpoints import Endpoint
    from nginxtls.model.names import ServerName
    from nginxtls.model.servers import VirtualServer

_OF_REQUESTS = pattern(
    r"(http|arg|cookie|sent_http|upstream)_\w+|args|is_args|uri|document_uri|query_string|request\w*|\d+"
)
_GROUP = pattern(r"\(\?P?<([A-Za-z_]\w*)>")


class Chosen(NamedTuple):
    """The files that clients of a name get at an endpoint."""

    endpoint: Endpoint
    name: ServerName
    bundle: ServedBundle


def chosen(configuration: Configuration) -> tuple[Chosen, ...]:
    """The certificates that variables choose, for the names that select each server; without those of unknown paths."""
    return configuration.memo("chosen certificates", lambda: tuple(_chosen(configuration)))


def chosen_for(configuration: Configuration, endpoint: Endpoint, host: str) -> list[ServedBundle]:
    """The bundles that variables choose for a name at an endpoint."""
    return [each.bundle for each in _by_endpoint(configuration).get(endpoint, ()) if each.name.key == host]


def _by_endpoint(configuration: Configuration) -> dict[Endpoint, list[Chosen]]:
    def work() -> dict[Endpoint, list[Chosen]]:
        found: dict[Endpoint, list[Chosen]] = {}
        for each in chosen(configuration):
            found.setdefault(each.endpoint, []).append(each)
        return found

    return configuration.memo("chosen certificates by endpoint", work)


def sound(configuration: Configuration) -> dict[ServedBundle, list[Endpoint]]:
    """The chosen bundles with which handshakes succeed, each with its endpoints."""
    found: dict[ServedBundle, list[Endpoint]] = {}
    for each in chosen(configuration):
        loads = each.bundle.bundle is not None and each.bundle.bundle.loads
        if loads and each.bundle.key_matches is not False and each.endpoint not in found.get(each.bundle, ()):
            found.setdefault(each.bundle, []).append(each.endpoint)
    return found


def failure(bundle: ServedBundle) -> str:
    """Why a handshake for which the files of a chosen bundle are loaded fails; empty if it does not, or is unknown."""
    store, held = bundle.store, bundle.bundle
    for path in (bundle.path, bundle.key_path):
        if store.is_missing(path):
            return f"{path} {store.missing_as(path)}"
    if held is not None and not held.loads:
        return f"{bundle.path}: {held.problems[-1].message}"
    if bundle.key_refused:
        return f"{bundle.key_path}: {bundle.key_unreadable}"
    if bundle.key_matches is False:
        return f"{bundle.key_path} is not the key of {bundle.path}"
    return ""


def empty_variables(server: VirtualServer, configuration: Configuration, text: str) -> list[str]:
    """The variables of a path that are empty at every handshake, named without ``$``."""
    names = [found[1] or found[2] for found in VARIABLE.finditer(text)]
    return [name for name in names if _is_empty(server, configuration, name)]


def _is_empty(server: VirtualServer, configuration: Configuration, name: str) -> bool:
    if _OF_REQUESTS.fullmatch(name) or name in _captures(server, configuration):
        return True
    makers = definitions(configuration, server.module).get(name, ())
    return bool(makers) and all(line.name == "set" for line in makers)


def _captures(server: VirtualServer, configuration: Configuration) -> frozenset[str]:
    """The names of the groups of a server's names."""

    def work() -> frozenset[str]:
        patterns = (each.key for each in server.names if each.form == "regex")
        return frozenset(name for text in patterns for name in _GROUP.findall(text))

    return configuration.memo(("captures", server), work)


def _chosen(configuration: Configuration) -> Iterator[Chosen]:
    for endpoint in configuration.endpoints:
        server = endpoint.server
        variable = [bundle for bundle in server.bundles if "$" in bundle.path + bundle.key_path]
        if not variable or server.fragment or server.module == "mail":
            continue
        line = variable[0].directive
        for name in configuration.store.tried(server.names, line, line.written(line.args[-1])):
            host = valid_host(name.key) if name.is_host else None
            if host is None or endpoint.socket.names.look_up(host) != (server, True):
                continue
            for bundle in variable:
                files = _files(configuration, endpoint, host, bundle)
                if files is not None:
                    yield Chosen(endpoint, name, configuration.bundle_of(bundle, *files))


def _files(configuration: Configuration, endpoint: Endpoint, host: str, bundle: ServedBundle) -> tuple[str, str] | None:
    known = _AtHandshake(configuration, endpoint.server, Request("https", host, endpoint.socket.port))
    try:
        path, key_path = known.expand(bundle.path), known.expand(bundle.key_path)
    except Unknown:
        return None
    return (path, key_path) if is_file(path) and is_file(key_path) else None


class _AtHandshake(Variables):
    """The variables while nginx chooses a certificate."""

    def _named_by_host(self) -> None:
        """The captures of a server name are set when the request is read."""

    def value(self, name: str) -> str:
        return "" if _is_empty(self._server, self._configuration, name) else super().value(name)

    def _own(self, name: str) -> str | None:
        if name in ("host", "server_name"):
            return primary_name(self._server)
        return super()._own(name) if name in ("ssl_server_name", "scheme", "https", "server_port") else None
