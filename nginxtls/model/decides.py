"""Deciding directives: for each setting, the directive that decides it and the endpoints that it decides for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.effective import origin_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.endpoints import Endpoint, EndpointGroup
    from nginxtls.syntax.tree import Directive


def live(configuration: Configuration) -> list[Endpoint]:
    """The endpoints that are meant to serve: all but those that refuse every handshake on purpose."""
    return configuration.memo("live", lambda: [e for e in configuration.endpoints if not e.server.rejects_handshake])


def live_groups(configuration: Configuration) -> list[EndpointGroup]:
    """The groups of endpoints that are meant to serve, for rules about what the members of a group have in common."""
    return configuration.memo(
        "live groups", lambda: [g for g in configuration.endpoint_groups if not g.server.rejects_handshake]
    )


def by_origin(
    configuration: Configuration, name: str, endpoints: Iterable[Endpoint] | None = None
) -> dict[Directive | None, list[Endpoint]]:
    """Endpoints by the directive that decides a setting for them (``ssl_conf_command`` included); None: a default.

    An endpoint is left out where an include that could not be read may override what it inherits. Where no endpoints
    are given, the live ones by group.
    """
    if endpoints is None:
        return configuration.memo(
            ("by origin", name), lambda: by_origin(configuration, name, live_groups(configuration))
        )
    found: dict[Directive | None, list[Endpoint]] = {}
    for endpoint in endpoints:
        server = endpoint.tls.decided_by(name)
        origin = origin_of(server, name)
        if origin is None or origin.name in server.scope.own or not server.scope.unread:
            found.setdefault(origin, []).append(endpoint)
    return found
