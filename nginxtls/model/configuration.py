"""The configuration that nginx would load: virtual servers, sockets, endpoints, certificates, upstreams."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from nginxtls.finding import Location as Place
from nginxtls.finding import NotChecked
from nginxtls.lazy import once
from nginxtls.model.certificates import ServedBundle, Slots, is_file
from nginxtls.model.endpoints import EffectiveTLS, Endpoint, Kind, kinds_of
from nginxtls.model.servers import VirtualServer
from nginxtls.model.settings import Scope
from nginxtls.model.sockets import Socket, connected, join
from nginxtls.model.upstreams import Upstream, find_upstreams
from nginxtls.model.versions import ASSUMED, NginxVersion
from nginxtls.syntax.tree import UNKNOWN, Directive, Tree
from nginxtls.tls import OpenSSL, SystemConfiguration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nginxtls.model.handshake import Handshake
    from nginxtls.model.refusals import Refusal
    from nginxtls.pki import Bundle, CRLs, PrivateKey, Response, TrustStore
    from nginxtls.syntax.files import Files
    from nginxtls.syntax.tree import SourceFile
    from nginxtls.tls import Policy, Suite

KINDS = ("http", "stream", "mail")


class Configuration:
    """What nginx makes of a tree.

    ``kind`` tells how complete it is: ``full`` (a main file with all its includes), ``server`` (a file of server
    blocks) or ``snippet`` (directives to be included somewhere); ``context`` is the block that a fragment belongs in.
    Nothing is read but through ``files``, and nothing before it is asked for.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        files: Files | None = None,
        kind: str = "full",
        context: str = "main",
        base: str | None = None,
        nginx: NginxVersion | None = None,
        openssl: OpenSSL | None = None,
        at: datetime | None = None,
        trust: TrustStore | None = None,
        system: SystemConfiguration | None = None,
        policies: Sequence[Policy] = (),
        expiry_days: int | None = None,
    ) -> None:
        self.tree = tree
        self.files = files
        self.kind = kind
        self.context = context
        self.base = base
        self.nginx = nginx
        self.assumed_nginx = nginx or ASSUMED
        self.openssl_known = openssl is not None
        self.openssl = openssl or OpenSSL.assumed()
        self.at = at or datetime.now(timezone.utc)
        self.system = system or SystemConfiguration()
        self.policies = tuple(policies)
        """The guidelines that the user wants the servers judged by."""
        self.expiry_days = expiry_days
        """With fewer days left a certificate is told to end soon, if the user says how many."""
        self._trust = trust
        self._unchecked: dict[tuple[str, str], NotChecked] = {}
        self._bundles: dict[tuple[str, str], ServedBundle] = {}
        self._effective: dict[tuple[Socket, VirtualServer], EffectiveTLS] = {}
        self.variables: frozenset[str] | None = None
        self.shared_suites: dict[object, dict[str, tuple[Suite, ...]]] = {}
        self.shared_refusals: dict[object, tuple[Refusal, ...]] = {}
        """What servers with the same TLS lines and certificates have in common (``VirtualServer.tls_lines``)."""
        self.shared_differences: dict[tuple[VirtualServer, ...], bool] = {}
        """Whether servers that are on a socket together have no name in common."""
        self.shared_slots: dict[tuple[ServedBundle, ...], Slots] = {}
        self.shared_mentions: dict[object, frozenset[str]] = {}
        self._names_in: dict[SourceFile, frozenset[str]] = {}
        self._shared: dict[frozenset[str], frozenset[str]] = {}
        self._dhparams: dict[str, int | None] = {}
        self.upstream_groups: dict[tuple[str, str], Directive] = {}
        self.blocks: dict[str, Scope] = {}
        """The http, stream and mail levels."""
        self.servers: list[VirtualServer] = list(self._build())
        self.sockets: list[Socket] = join(self.servers)

    # -- building ----------------------------------------------------------------------------------------------------

    def _build(self) -> Iterator[VirtualServer]:
        roots = [directive for root in self.tree.roots for directive in root.directives]
        whole = self.kind == "full"
        kind = self.context if self.context in KINDS else "http"
        if self.kind == "snippet":
            yield from self._fragment(roots, kind)
            return
        main = Scope(
            self.tree, roots, kind=kind, level="main" if whole else kind, nginx=self.assumed_nginx, certain=whole
        )
        if not whole:
            yield from self._level(main, kind)
            return
        for name in KINDS:
            blocks = [block for block in main.all(name) if block.block is not None]
            if not blocks:
                continue
            children = [directive for block in blocks for directive in block.block or ()]
            scope = Scope(self.tree, children, kind=name, level=name, nginx=self.assumed_nginx, parent=main)
            self.blocks[name] = scope
            yield from self._level(scope, name)

    def _level(self, scope: Scope, kind: str) -> Iterator[VirtualServer]:
        self.blocks.setdefault(kind, scope)
        for group in scope.all("upstream"):
            if group.args:
                self.upstream_groups.setdefault((kind, group.args[0]), group)
        for directive in scope.all("server"):
            if directive.block is not None:
                inner = Scope(
                    self.tree, directive.block, kind=kind, level="server", nginx=self.assumed_nginx, parent=scope
                )
                yield VirtualServer(self, kind, directive, inner)

    def _fragment(self, roots: list[Directive], kind: str) -> Iterator[VirtualServer]:
        """A snippet is a server of which only these lines are known."""
        if not roots:
            return
        scope = Scope(self.tree, roots, kind=kind, level="server", nginx=self.assumed_nginx, certain=False)
        yield VirtualServer(self, kind, roots[0], scope, fragment=True)

    # -- what there is -----------------------------------------------------------------------------------------------

    @once
    def endpoints(self) -> list[Endpoint]:
        """Every virtual server on each of its TLS sockets, in configuration order."""
        places = (
            (socket, server)
            for server in self.servers
            for socket in server.sockets or self._assumed_sockets(server)
            if socket.speaks_tls
        )
        return [Endpoint(socket, server, number) for number, (socket, server) in enumerate(places)]

    @once
    def kinds(self) -> list[Kind]:
        """The endpoints by kind: those of a kind differ in names, certificates and locations alone."""
        self.bundles  # noqa: B018 - loaded in the order of the text, so that the first line that names one stands for it
        return kinds_of(self.endpoints)

    def effective(self, socket: Socket, server: VirtualServer) -> EffectiveTLS:
        """The TLS settings that a client of a server meets on a socket; made once."""
        found = self._effective.get((socket, server))
        if found is None:
            found = self._effective[socket, server] = EffectiveTLS(socket, server)
        return found

    def _assumed_sockets(self, server: VirtualServer) -> tuple[Socket, ...]:
        """A fragment that speaks of certificates or protocols is looked at as if a TLS socket led to it."""
        if not server.fragment or not any(name.startswith("ssl_") for name in server.scope.own):
            return ()
        socket = Socket(server.kind, "fragment", 443)
        socket.servers, socket.tls = [server], True
        return (socket,)

    @once
    def bundles(self) -> list[ServedBundle]:
        """The distinct certificate and key pairs that servers load, in configuration order."""
        for server in self.servers:
            server.bundles  # noqa: B018 - loading fills the table
        return list(self._bundles.values())

    @once
    def _endpoints_by_bundle(self) -> dict[ServedBundle, list[Endpoint]]:
        found: dict[ServedBundle, list[Endpoint]] = {}
        for endpoint in self.endpoints:
            for bundle in endpoint.bundles:
                found.setdefault(bundle, []).append(endpoint)
        return found

    def endpoints_of(self, bundle: ServedBundle) -> list[Endpoint]:
        """The endpoints whose clients may get a bundle."""
        return self._endpoints_by_bundle.get(bundle, [])

    @once
    def upstreams(self) -> list[Upstream]:
        return list(find_upstreams(self))

    @once
    def trust(self) -> TrustStore:
        """The trust anchors of a client: those given, else Mozilla's."""
        if self._trust is None:
            from nginxtls.pki import TrustStore

            self._trust = TrustStore.mozilla()
        return self._trust

    @once
    def refusals(self) -> list[Refusal]:
        """What ``nginx -t`` of this version stops at or warns of, in TLS matters and what TLS hangs on."""
        from nginxtls.model.refusals import find_refusals

        return list(find_refusals(self))

    def handshake(self, address: str, port: int, servername: str | None = None, path: str = "/") -> Handshake:
        """What a client gets that connects to ``address`` and ``port``, sends ``servername`` and asks for ``path``."""
        from nginxtls.model.handshake import Handshake

        socket = connected(self.sockets, address, port)
        if socket is None or not socket.tls:
            quic = connected(self.sockets, address, port, datagram=True)
            socket = socket if quic is None or not quic.quic else quic
        return Handshake(self, socket, servername, path)

    def directives(self, name: str) -> list[Directive]:
        """Every directive of a name, each once, in the order of files and text."""
        return self.by_name.get(name, [])

    @once
    def by_name(self) -> dict[str, list[Directive]]:
        """All directives of all files, each once, by name."""
        found: dict[str, list[Directive]] = defaultdict(list)
        for file in self.tree.files:
            stack = file.directives[::-1]
            while stack:
                directive = stack.pop()
                found[directive.name].append(directive)
                if directive.block:
                    stack += directive.block[::-1]
        return dict(found)

    @once
    def mentions(self) -> frozenset[str]:
        """The names of all directives, and the context of a fragment."""
        return frozenset((*self.by_name, self.context))

    def absence_is_certain(self, server: VirtualServer) -> bool:
        """Whether a directive that is not seen for a server is really not there."""
        return server.scope.certain

    def names_in(self, file: SourceFile) -> frozenset[str]:
        """The names of all directives in a file and in what it includes."""
        found = self._names_in.get(file)
        if found is None:
            self._names_in[file] = frozenset()  # an include that leads back adds nothing
            names = {directive.name for directive in file.walk()}
            for include in file.includes:
                for other in self.tree.includes.get(include, ()):
                    names |= self.names_in(other)
            found = self._names_in[file] = frozenset(names)
        return found

    def shared(self, names: Iterable[str]) -> frozenset[str]:
        """A set of names, one and the same for all who have these."""
        found = frozenset(names)
        return self._shared.setdefault(found, found)

    # -- files -------------------------------------------------------------------------------------------------------

    @property
    def not_checked(self) -> list[NotChecked]:
        """What could not be read so far, each once."""
        return list(self._unchecked.values())

    def unchecked(self, subject: str, reason: str, directive: Directive | None = None) -> None:
        """Note something that could not be looked at."""
        place = Place(directive.file, directive.span) if directive else None
        self._unchecked.setdefault((subject, reason), NotChecked(subject, reason, place))

    def read(self, path: str, directive: Directive) -> tuple[bytes | None, str]:
        """The content of a file that the configuration names, or None and why not."""
        if UNKNOWN in path:
            reason = "its path stands in a template"
        elif "$" in path:
            reason = "its path has variables, which nginx fills in at each handshake"
        elif not is_file(path):
            reason = f"it is no file but {path.partition(':')[0]}:"
        elif self.files is None:
            reason = "files are not read"
        else:
            content = self.files.read(path, self.base)
            if isinstance(content, bytes):
                return content, ""
            reason = content.reason
        shown = "an inline certificate or key" if path.startswith("data:") else path.replace(UNKNOWN, "…")
        self.unchecked(shown, reason, directive)
        return None, reason

    def is_missing(self, path: str) -> bool:
        """The file is known not to exist, as the whole machine (or its image) may be looked at; else False."""
        if self.files is None or not self.sees_machine or UNKNOWN in path or "$" in path or not is_file(path):
            return False
        found = self.files.read(path, self.base)
        return not isinstance(found, bytes) and not found.exists

    @property
    def sees_machine(self) -> bool:
        """All of the machine that the configuration is for, or its image, may be looked at."""
        return self.files is not None and (self.files.root is not None or "/" in self.files.allowed)

    def was_read(self, path: str) -> bool:
        """The file could be read."""
        return self.files is not None and isinstance(self.files.read(path, self.base), bytes)

    def read_bundle(self, path: str, directive: Directive) -> tuple[Bundle | None, str]:
        """The certificates in a file, or None and why it could not be read."""
        content, reason = self.read(path, directive)
        if content is None:
            return None, reason
        from nginxtls.pki import read_bundle

        return read_bundle(content, path), ""

    def read_key(self, bundle: ServedBundle) -> tuple[PrivateKey | None, str]:
        """The private key of a bundle, or None and why it could not be read."""
        directive = bundle.key_directive
        if directive is None:
            return None, "no ssl_certificate_key"
        content, reason = self.read(bundle.key_path, directive)
        if content is None:
            return None, reason
        from nginxtls.pki import KeyProblem, read_key

        found = read_key(content, self._passwords(bundle))
        if isinstance(found, KeyProblem):
            if found.kind == "unknown-key":
                self.unchecked(bundle.key_path, found.message, directive)
            return None, found.message
        return found, ""

    def _passwords(self, bundle: ServedBundle) -> tuple[bytes, ...]:
        for server in bundle.servers if self.directives("ssl_password_file") else ():
            for directive in server.setting("ssl_password_file").directives:
                content, _ = self.read(directive.args[0], directive) if directive.args else (None, "")
                if content is not None:
                    return tuple(line.rstrip(b"\r") for line in content.split(b"\n") if line)
        return ()

    def read_crl(self, directive: Directive) -> CRLs | None:
        """The revocation lists in the file of an ssl_crl, or None if it could not be read."""
        content, _ = self.read(directive.args[0], directive)
        if content is None:
            return None
        from nginxtls.pki import read_crl

        return read_crl(content)

    def read_ocsp(self, path: str, directive: Directive) -> tuple[Response | None, str]:
        """The OCSP response in a file for ssl_stapling_file, or None and why there is none."""
        content, reason = self.read(path, directive)
        if content is None:
            return None, reason
        from nginxtls.pki import Response, read_ocsp

        found = read_ocsp(content)
        if not isinstance(found, Response):
            return None, found.message
        if not found.decoded:
            self.unchecked(path, "an OCSP response of a kind that is not known here", directive)
        return found, ""

    def load_bundles(self, server: VirtualServer) -> tuple[ServedBundle, ...]:
        """The bundles of a server: its certificates, each with the key at the same place of the list."""
        certificates = server.setting("ssl_certificate").directives
        if not certificates:
            return ()
        keys = server.setting("ssl_certificate_key").directives
        found: dict[ServedBundle, None] = {}
        for index, directive in enumerate(certificates):
            if not directive.args:
                continue
            key_directive = keys[index] if index < len(keys) and keys[index].args else None
            pair = (directive.args[0], key_directive.args[0] if key_directive else "")
            bundle = self._bundles.get(pair)
            if bundle is None:
                bundle = self._bundles[pair] = ServedBundle(self, directive, key_directive)
            bundle.add(directive, key_directive, server)
            found[bundle] = None
        return tuple(found)

    def dhparam_bits(self, path: str, directive: Directive | None) -> int | None:
        """The size of a DH parameter file in bits; 2048 is assumed where it could not be read."""
        if path not in self._dhparams:
            self._dhparams[path] = self._read_dhparam(path, directive)
        return self._dhparams[path]

    def _read_dhparam(self, path: str, directive: Directive | None) -> int | None:
        if directive is None:
            return None
        content, _ = self.read(path, directive)
        if content is None:
            return 2048
        from nginxtls.pki import DHParameters, read_dhparam

        found = read_dhparam(content)
        return found.bits if isinstance(found, DHParameters) else None
