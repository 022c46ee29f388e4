"""The configuration that nginx would load: virtual servers, sockets, endpoints, certificates, upstreams."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from nginxtls.base.lazy import cached_property
from nginxtls.model.bundles import Bundles, ServedBundle
from nginxtls.model.endpoints import Endpoint, EndpointGroup, endpoint_groups_of
from nginxtls.model.facts import Facts
from nginxtls.model.servers import Socket, VirtualServer
from nginxtls.model.settings import Scope
from nginxtls.model.sockets import join
from nginxtls.model.store import Store
from nginxtls.syntax.tree import Directive, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nginxtls.model.upstreams import Upstream
    from nginxtls.model.versions import NginxVersion
    from nginxtls.syntax.places import NotChecked
    from nginxtls.tls import OpenSSL, ServerKey

T = TypeVar("T")
MODULES = ("http", "stream", "mail")


class Configuration:
    """How nginx interprets a tree, given the ``facts`` known beside it and the files in ``store``.

    ``context`` is the block that a fragment belongs in.
    """

    def __init__(
        self,
        tree: Tree,
        facts: Facts | None = None,
        store: Store | None = None,
        *,
        context: str = "main",
        bundles: Bundles | None = None,
    ) -> None:
        self.tree = tree
        self.facts = facts or Facts()
        self.store = store or Store()
        self.context = context
        self.upstream_groups: dict[tuple[str, str], Directive] = {}
        self.blocks: dict[str, Scope] = {}
        """The http, stream and mail levels."""
        self._bundles = Bundles(self.facts, self.store) if bundles is None else bundles.sharing(self.facts, self.store)
        self.servers: list[VirtualServer] = list(self._build())
        self.sockets: list[Socket] = join(self.servers)

    def with_build(self, nginx: NginxVersion, openssl: OpenSSL) -> Configuration:
        """The same configuration in another build of nginx; what was read of its files is shared."""
        facts, store = self.facts.with_build(nginx, openssl), self.store.sibling()
        return Configuration(self.tree, facts, store, context=self.context, bundles=self._bundles)

    def part(self, tree: Tree) -> Configuration:
        """The configuration of a tree that is a part of this one's; what was read of its files is shared."""
        store = self.store.sibling()
        return Configuration(tree, self.facts, store, context=self.context, bundles=self._bundles.part())

    def with_keys(self, *keys: ServerKey) -> Configuration:
        """The same configuration, with these keys for certificates that could not be read."""
        facts, store = self.facts.with_keys(*keys), self.store.sibling()
        return Configuration(self.tree, facts, store, context=self.context, bundles=self._bundles)

    def forget(self) -> None:
        """Free what refers to itself, as it is not used any more: the command collects no circles."""
        self.store.forget()
        for server in self.servers:
            server.forget()

    @property
    def completeness(self) -> str:
        """``full``, ``server`` or ``snippet`` (see ``Facts``)."""
        return self.facts.completeness

    def memo(self, key: object, work: Callable[[], T]) -> T:
        """The result of ``work``, done once for each key: what several rules or servers share."""
        return self.store.memo(key, work)

    # -- building ----------------------------------------------------------------------------------------------------

    def _build(self) -> Iterator[VirtualServer]:
        roots = _joined([root.directives for root in self.tree.roots])
        whole = self.completeness == "full"
        module = self.context if self.context in MODULES else "http"
        if self.completeness == "snippet":
            yield from self._fragment(roots, module)
            return
        main = Scope(
            self.tree,
            roots,
            module=module,
            level="main" if whole else module,
            nginx=self.facts.assumed_nginx,
            certain=whole,
        )
        if not whole:
            yield from self._level(main, module)
            return
        for name in MODULES:
            blocks = [block for block in main.all(name) if block.block is not None]
            if not blocks:
                continue
            children = _joined([block.block or () for block in blocks])
            scope = Scope(self.tree, children, module=name, level=name, nginx=self.facts.assumed_nginx, parent=main)
            self.blocks[name] = scope
            servers = list(self._level(scope, name))
            yield from servers or self._without_servers(children, name)

    def _without_servers(self, children: Sequence[Directive], module: str) -> Iterator[VirtualServer]:
        """The servers of a level are in files that could not be read: its TLS lines are looked at as a snippet."""
        if any(line.name.startswith("ssl_") for line in children):
            yield from self._fragment(children, module)

    def _level(self, scope: Scope, module: str) -> Iterator[VirtualServer]:
        self.blocks.setdefault(module, scope)
        for group in scope.all("upstream"):
            if group.args:
                self.upstream_groups.setdefault((module, group.args[0]), group)
        for directive in scope.all("server"):
            if directive.block is not None:
                inner = Scope(
                    self.tree,
                    directive.block,
                    module=module,
                    level="server",
                    nginx=self.facts.assumed_nginx,
                    parent=scope,
                )
                yield VirtualServer(module, directive, inner, self.tree, self.facts, self._bundles)

    def _fragment(self, roots: Sequence[Directive], module: str) -> Iterator[VirtualServer]:
        """A snippet is a server of which only these lines are known."""
        if not roots:
            return
        scope = Scope(self.tree, roots, module=module, level="server", nginx=self.facts.assumed_nginx, certain=False)
        yield VirtualServer(module, roots[0], scope, self.tree, self.facts, self._bundles, fragment=True)

    # -- what there is -----------------------------------------------------------------------------------------------

    @cached_property
    def endpoints(self) -> list[Endpoint]:
        """Every virtual server on each of its TLS sockets, in configuration order."""
        places = (
            (socket, server)
            for server in self.servers
            for socket in server.sockets or self._assumed_sockets(server)
            if socket.speaks_tls
        )
        return [Endpoint(socket, server, number) for number, (socket, server) in enumerate(places)]

    @cached_property
    def endpoint_groups(self) -> list[EndpointGroup]:
        """The endpoints by group: those of a group differ in names, certificates and locations alone."""
        self.bundles  # noqa: B018 - loaded in the order of the text, so that the first line that names one represents it
        return endpoint_groups_of(self.endpoints)

    def _assumed_sockets(self, server: VirtualServer) -> tuple[Socket, ...]:
        """A fragment that speaks of certificates or protocols is looked at as if a TLS socket led to it."""
        if not server.fragment or not any(name.startswith("ssl_") for name in server.scope.own):
            return ()
        socket = Socket(server.module, "fragment", 443)
        socket.servers, socket.tls = [server], True
        return (socket,)

    @cached_property
    def bundles(self) -> list[ServedBundle]:
        """The distinct certificate and key pairs that servers load, in configuration order."""
        for server in self.servers:
            server.bundles  # noqa: B018 - loading fills the table
        return list(self._bundles)

    def bundle_of(self, bundle: ServedBundle, path: str, key_path: str) -> ServedBundle:
        """The bundle of these files, which variables in the paths of ``bundle`` mean."""
        return self._bundles.chosen(bundle, path, key_path)

    @cached_property
    def _servers_by_bundle(self) -> dict[ServedBundle, list[VirtualServer]]:
        found: dict[ServedBundle, list[VirtualServer]] = {}
        for server in self.servers:
            for bundle in server.bundles:
                found.setdefault(bundle, []).append(server)
        return found

    def servers_of(self, bundle: ServedBundle) -> list[VirtualServer]:
        """The servers that load a bundle."""
        return self._servers_by_bundle.get(bundle, [])

    @cached_property
    def _endpoints_by_bundle(self) -> dict[ServedBundle, list[Endpoint]]:
        found: dict[ServedBundle, list[Endpoint]] = {}
        for endpoint in self.endpoints:
            for bundle in endpoint.bundles:
                found.setdefault(bundle, []).append(endpoint)
        return found

    def endpoints_of(self, bundle: ServedBundle) -> list[Endpoint]:
        """The endpoints whose clients may get a bundle."""
        return self._endpoints_by_bundle.get(bundle, [])

    @cached_property
    def upstreams(self) -> list[Upstream]:
        """Every place that connects to an upstream over TLS."""
        if not any(name.endswith("_pass") for name in self.by_name):
            return []
        from nginxtls.model.upstreams import FAMILIES, find_upstreams  # with dataclasses, a tenth of a fragment's check

        passes = [line for name in FAMILIES for line in self.directives(name)]
        return list(find_upstreams(self.servers, self.upstream_groups, passes))

    def directives(self, name: str) -> list[Directive]:
        """Every directive of a name, each once, in the order of files and text."""
        return self.by_name.get(name, [])

    @property
    def by_name(self) -> dict[str, list[Directive]]:
        """All directives of all files, each once, by name."""
        return self.tree.by_name

    @cached_property
    def mentions(self) -> frozenset[str]:
        """The names of all directives, and the context of a fragment."""
        return frozenset((*self.by_name, self.context))

    def absence_is_certain(self, server: VirtualServer) -> bool:
        """Whether a directive that is not seen for a server is really not there."""
        return server.scope.certain

    @property
    def not_checked(self) -> list[NotChecked]:
        """What could not be read so far, each once."""
        return self.store.not_checked


def _joined(levels: list[Sequence[Directive]]) -> Sequence[Directive]:
    """The lines of all of these. One alone stays the same object, which the tree knows in each build of nginx."""
    return levels[0] if len(levels) == 1 else [directive for level in levels for directive in level]
