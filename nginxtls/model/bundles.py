"""The certificates that servers load: each file read once, each with its key and with who serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import cached_property

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nginxtls.model.conf_commands import Command
    from nginxtls.model.facts import Facts
    from nginxtls.model.store import Store
    from nginxtls.pki import Bundle, Certificate, Chain, PrivateKey
    from nginxtls.syntax.tree import Directive


class ServedBundle:
    """An ssl_certificate with its ssl_certificate_key, as loaded by one or more servers.

    ``bundle`` is what the file holds, or None where it could not be read; ``unreadable`` then says why.
    """

    def __init__(
        self,
        facts: Facts,
        store: Store,
        directive: Directive,
        key_directive: Directive | None,
        files: tuple[str, str] | None = None,
    ) -> None:
        """``files``: the certificate and the key that the lines mean, where they have variables."""
        self._files = files
        self.facts = facts
        self.store = store
        self.directive = directive
        self.key_directive = key_directive
        #: Other lines that name the same pair of files.
        self.also: list[Directive] = []
        self.also_key: list[Directive] = []
        self._password_files: dict[Directive, None] = {}

    def add(
        self, directive: Directive, key_directive: Directive | None, password_files: Iterable[Directive] = ()
    ) -> None:
        """A server loads it by these lines, and with the passwords of these files."""
        for line, first, others in (
            (directive, self.directive, self.also),
            (key_directive, self.key_directive, self.also_key),
        ):
            if line is not None and line is not first and line not in others[-1:]:
                others.append(line)
        self._password_files.update(dict.fromkeys(password_files))

    def __repr__(self) -> str:
        return f"<bundle {self.path}>"

    @property
    def path(self) -> str:
        """The path as the configuration has it, or as its variables make it."""
        if self._files is not None:
            return self._files[0]
        return self.directive.args[-1] if self.directive.args else ""

    @property
    def key_path(self) -> str:
        """The path of the key as configured, or as its variables make it; empty without ssl_certificate_key."""
        if self._files is not None:
            return self._files[1]
        return self.key_directive.args[-1] if self.key_directive and self.key_directive.args else ""

    @property
    def kind(self) -> tuple[object, ...]:
        """What may be treated otherwise by another OpenSSL: types of keys, signatures, and what is wrong with files."""
        held, key = self.bundle, self.key
        return (
            self.path.startswith("data:"),
            "$" in self.path,
            held
            and (
                held.loads,
                tuple(problem.kind for problem in held.problems),
                tuple((each.key, each.signature_algorithm, each.malformed) for each in held.certificates),
            ),
            key and (key.key, key.encrypted),
            self.key_unreadable,
            self.key_matches,
        )

    @property
    def by_command(self) -> bool:
        """An ``ssl_conf_command Certificate`` loads it, after all of ssl_certificate."""
        return self.directive.name == "ssl_conf_command"

    @cached_property
    def _loaded(self) -> tuple[Bundle | None, str]:
        return self.store.read_bundle(self.path, self.directive, skips_bom=self._skips_bom)

    @property
    def _skips_bom(self) -> bool:
        return _skips_bom(self.facts)

    @cached_property
    def has_bom(self) -> bool:
        """Whether a block of a file that could be read begins with a byte order mark: not every OpenSSL sees it."""
        from nginxtls.pki.damage import BOM

        read = [(self.path, self.directive)] if self.bundle is not None else []
        if self.key is not None and self.key_directive is not None:
            read.append((self.key_path, self.key_directive))
        texts = (self.store.read(path, directive)[0] for path, directive in read)
        return any(BOM + b"-----BEGIN " in text for text in texts if text)

    @cached_property
    def bundle(self) -> Bundle | None:
        """The contents of the certificate file, or None if it could not be read."""
        return self._loaded[0]

    @property
    def unreadable(self) -> str:
        """Why the certificate file could not be read; empty if it could."""
        return self._loaded[1]

    @cached_property
    def leaf(self) -> Certificate | None:
        """The first certificate of the file, which nginx takes for the leaf."""
        return self.bundle.certificates[0] if self.bundle and self.bundle.certificates else None

    @cached_property
    def chain(self) -> Chain | None:
        """The chain as sent and the path that a fresh client builds from it, or None if nothing could be read."""
        if self.bundle is None or not self.bundle.certificates:
            return None
        from nginxtls.pki import analyse_chain

        chain = analyse_chain(self.bundle, self.facts.trust, self.facts.at)
        if chain.verdict == "unknown":
            self.store.unchecked(self.path, "an unsupported signature algorithm", self.directive)
        return chain

    @cached_property
    def _key(self) -> tuple[PrivateKey | None, str]:
        if self.key_directive is None:
            return None, "no ssl_certificate_key"
        passwords = tuple(self._password_files)
        return self.store.read_key(self.key_path, self.key_directive, passwords, skips_bom=self._skips_bom)

    @property
    def key(self) -> PrivateKey | None:
        """The private key, or None where it could not be read."""
        return self._key[0]

    @property
    def key_unreadable(self) -> str:
        """Why the key could not be read; empty if it could."""
        return self._key[1]

    @property
    def key_refused(self) -> bool:
        """Whether the file of the key was read, and OpenSSL reads no key in it; False for kinds that are not known."""
        return self.key is None and self.store.was_read(self.key_path) and "not known" not in self.key_unreadable

    @property
    def key_matches(self) -> bool | None:
        """Whether the key belongs to the leaf; None if one of them is not known."""
        if self.leaf is None or self.key is None or self.key.public_key_sha256 is None:
            return None
        return self.leaf.public_key_sha256 == self.key.public_key_sha256


def _skips_bom(facts: Facts) -> bool:
    """Whether OpenSSL skips a byte order mark."""
    return facts.openssl.version >= (3, 0)


Slots = tuple[tuple[ServedBundle, ...], ServedBundle | None]


def fill_slots(bundles: Iterable[ServedBundle]) -> Slots:
    """Load bundles as OpenSSL does: one slot for each key type, a later certificate replaces an earlier one.

    A key goes into the slot of its own type, whatever certificate it was meant for: one that does not fit the
    certificate there is refused, and a certificate whose slot gets no key is never sent (ssl_set_pkey() in
    ssl_rsa.c; measured). A file that could not be read is taken as fitting.

    Returns:
        the bundles that can be sent, in order, and the first whose key is refused.
    """
    certificates: dict[str, ServedBundle] = {}
    keys: dict[str, str | None] = {}
    unread = []
    for bundle in bundles:
        leaf, key = bundle.leaf, bundle.key
        if leaf is None:
            unread.append(bundle)
            continue
        kind = leaf.key.kind
        certificates[kind] = bundle
        if keys.get(kind) not in (None, leaf.public_key_sha256):
            keys[kind] = None
        if bundle.by_command and bundle.key_directive is None:
            continue
        if key is None:
            keys[kind] = leaf.public_key_sha256
            continue
        slot = certificates.get(key.key.kind)
        if slot is not None and slot.leaf is not None and slot.leaf.public_key_sha256 != key.public_key_sha256:
            return (), bundle
        keys[key.key.kind] = key.public_key_sha256
    sent = [bundle for kind, bundle in certificates.items() if keys.get(kind)]
    return (*sent, *unread), None


class Bundles:
    """The distinct certificate and key pairs that servers load, each once."""

    def __init__(self, facts: Facts, store: Store) -> None:
        self.facts = facts
        self.store = store
        self._by_paths: dict[tuple[str, str, str], ServedBundle] = {}
        self._of_whole: dict[tuple[str, str, str], ServedBundle] = {}
        """Those of the configuration that this one is a part of."""
        self._chosen: dict[tuple[str, ...], ServedBundle] = {}

    def part(self) -> Bundles:
        """A table for a part of the configuration: it has what that part's servers load."""
        other = Bundles(self.facts, self.store)
        other._of_whole = self._by_paths
        return other

    def sharing(self, facts: Facts, store: Store) -> Bundles:
        """The table for the same configuration in another build: the same files, read once, unless it reads them
        otherwise."""
        other = Bundles(facts, store)
        if _skips_bom(facts) == _skips_bom(self.facts) or not any(bundle.has_bom for bundle in self):
            other._by_paths, other._of_whole = self._by_paths, self._of_whole
        return other

    def __iter__(self) -> Iterator[ServedBundle]:
        """In the order in which servers loaded them."""
        return iter(self._by_paths.values())

    def load(
        self, certificates: Sequence[Directive], keys: Sequence[Directive], password_files: Sequence[Directive]
    ) -> tuple[ServedBundle, ...]:
        """The bundles of a server: its certificates, each with the key at the same place of the list."""
        found: dict[ServedBundle, None] = {}
        for index, directive in enumerate(certificates):
            if not directive.args:
                continue
            key_directive = keys[index] if index < len(keys) and keys[index].args else None
            found[self._load(directive, key_directive, password_files)] = None
        return tuple(found)

    def chosen(self, bundle: ServedBundle, path: str, key_path: str) -> ServedBundle:
        """The bundle of the files that variables lead to; not one of the table, as nginx starts without it."""
        key = (bundle.directive.name, bundle.path, bundle.key_path, path, key_path)
        found = self._chosen.get(key)
        if found is None:
            files, passwords = (path, key_path), tuple(bundle._password_files)
            found = ServedBundle(self.facts, self.store, bundle.directive, bundle.key_directive, files)
            found.add(bundle.directive, bundle.key_directive, passwords)
            self._chosen[key] = found
        return found

    def load_commands(self, lines: Iterable[Command]) -> tuple[ServedBundle, ...]:
        """The bundles of ``ssl_conf_command``: each Certificate with the PrivateKey that follows it."""
        pairs: list[tuple[Directive, Directive | None]] = []
        for line in lines:
            if line.name == "certificate":
                pairs.append((line.directive, None))
            elif line.name == "privatekey" and pairs:
                pairs[-1] = (pairs[-1][0], line.directive)
        return tuple(dict.fromkeys(self._load(directive, key) for directive, key in pairs))

    def _load(
        self, directive: Directive, key_directive: Directive | None, password_files: Sequence[Directive] = ()
    ) -> ServedBundle:
        pair = (directive.name, directive.args[-1], key_directive.args[-1] if key_directive else "")
        if pair in self._of_whole:
            self._by_paths[pair] = self._of_whole[pair]
            return self._of_whole[pair]
        bundle = self._by_paths.get(pair)
        if bundle is None:
            bundle = self._by_paths[pair] = ServedBundle(self.facts, self.store, directive, key_directive)
        bundle.add(directive, key_directive, password_files)
        return bundle
