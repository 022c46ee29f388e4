"""Trust stores: Mozilla's roots, the system's roots, a private CA, or none. `nginxtls.pki` opens no other files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from nginxtls.base.lazy import cached_property
from nginxtls.base.limits import LIMITS
from nginxtls.base.reading import read_regular
from nginxtls.pki.certificate import Certificate, certificate
from nginxtls.pki.der import DerError
from nginxtls.pki.pem import read_blocks

_BIGGEST = LIMITS["trust"]
_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"})


class TrustStore:
    """A set of trust anchors. ``private`` is True if the user passed anchors."""

    def __init__(self, name: str, certificates: Iterable[Certificate], *, private: bool = False) -> None:
        self.name = name
        self.certificates = tuple(dict.fromkeys(certificates))
        self.private = private

    def __repr__(self) -> str:
        return f"<trust store {self.name}: {len(self.certificates)} certificates>"

    def __len__(self) -> int:
        return len(self.certificates)

    def __contains__(self, item: object) -> bool:
        return item in self._members

    def __or__(self, other: TrustStore) -> TrustStore:
        """Both together."""
        if not other.certificates:
            return self
        if not self.certificates:
            return other
        name = f"{self.name} and {other.name}"
        return TrustStore(name, (*self.certificates, *other.certificates), private=self.private or other.private)

    @cached_property
    def _members(self) -> frozenset[Certificate]:
        return frozenset(self.certificates)

    @cached_property
    def _by_subject(self) -> dict[tuple[object, ...], list[Certificate]]:
        index: dict[tuple[object, ...], list[Certificate]] = {}
        for each in self.certificates:
            index.setdefault(each.subject_dn.canonical, []).append(each)
        return index

    @cached_property
    def organisations(self) -> frozenset[str]:
        """The organisations of the anchors."""
        return frozenset(each for anchor in self.certificates for each in anchor.subject_dn.organisations)

    def with_subject(self, canonical: tuple[object, ...]) -> list[Certificate]:
        """The anchors with a subject in its canonical form (`Name.canonical`)."""
        return self._by_subject.get(canonical, [])

    @classmethod
    def none(cls) -> TrustStore:
        """An empty trust store."""
        return cls("none", ())

    @classmethod
    def named(cls, text: str) -> TrustStore:
        """The store for an option: mozilla, system, none, or the path of a PEM file.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not a file, or contains no certificate.
        """
        if text in {"mozilla", "system", "none"}:
            made: TrustStore = getattr(cls, text)()
            return made
        path = Path(text)
        if not path.exists():
            raise ValueError("there is no such file")
        store = cls.from_pem(read_regular(path, _BIGGEST), text)
        if not store.certificates:
            raise ValueError("contains no certificate")
        return store

    @classmethod
    def from_pem(cls, data: bytes, name: str = "the given trust file") -> TrustStore:
        """The certificates of a PEM file; empty if there are none."""
        found = []
        for block in read_blocks(data):
            if block.label in _LABELS and not block.problem:
                try:
                    found.append(certificate(block.data))
                except DerError:
                    continue
        return cls(name, found, private=True)

    @classmethod
    def mozilla(cls) -> TrustStore:
        """Mozilla's roots for servers, from `certifi`."""
        return _mozilla()

    @classmethod
    def system(cls) -> TrustStore:
        """The roots that the system's OpenSSL uses; empty if there are none."""
        import ssl

        places = (ssl.get_default_verify_paths().cafile, *_SYSTEM_FILES)
        for place in places:
            if place and Path(place).is_file():
                store = cls.from_pem(read_regular(place, _BIGGEST), "the system's roots")
                store.private = False
                return store
        return cls("the system's roots", ())


# Debian, Fedora, openSUSE, Alpine and macOS.
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@lru_cache(1)
def _mozilla() -> TrustStore:
    import certifi

    store = TrustStore.from_pem(Path(certifi.where()).read_bytes(), "Mozilla's roots")
    store.private = False
    return store
