"""What is known beside the configuration itself: versions, the moment, trust anchors, policy, what was seen of it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple, cached_property
from nginxtls.model.versions import ASSUMED, NginxVersion
from nginxtls.tls import OpenSSL, ServerKey, SystemConfiguration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nginxtls.pki import TrustStore
    from nginxtls.tls import Policy


ASSUMED_KEYS = (ServerKey("RSA", 2048, None), ServerKey("EC", 256, "prime256v1"))
"""What a certificate that could not be read may have: one of these."""


class Provenance(NamedTuple):
    """Where the versions come from, and what is known of the package that has them."""

    source: str = ""
    """In words, e.g. ``detected from dpkg``; empty where no version is known."""
    package: str = ""
    """The version of a distribution's package, e.g. ``1.22.1-9+deb12u11``; empty for other builds."""
    fixed: frozenset[str] = frozenset()
    """The CVE ids that the package's changelog names."""
    complete: bool = False
    """The changelog is known from the first package of this nginx on: a flaw that it does not name is not fixed."""
    openssl_package: str = ""
    """The version of the package that OpenSSL comes from; empty where none is known."""
    openssl_fixed: frozenset[str] = frozenset()
    openssl_complete: bool = False
    """As ``fixed`` and ``complete``, of OpenSSL's package."""
    likely: bool = False
    """The versions follow from something beside the configuration, such as the image of a Dockerfile."""
    open_source: bool = False
    """The nginx is an installed one that is not NGINX Plus."""
    local: bool = False
    """The versions are those of the local nginx, which are those of its own configuration."""


UNKNOWN_VERSIONS = Provenance()


class Facts:
    """The facts that servers, certificates and handshakes are judged by.

    ``completeness`` is ``full`` (a main file with all its includes), ``server`` (a file of server blocks) or
    ``snippet`` (directives to be included somewhere).
    """

    def __init__(
        self,
        *,
        completeness: str = "full",
        nginx: NginxVersion | None = None,
        openssl: OpenSSL | None = None,
        at: datetime | None = None,
        trust: TrustStore | None = None,
        system: SystemConfiguration | None = None,
        policies: Sequence[Policy] = (),
        expiry_days: int | None = None,
        provenance: Provenance = UNKNOWN_VERSIONS,
    ) -> None:
        self.completeness = completeness
        self.nginx = nginx
        """The version of nginx, or None where it is not known."""
        self.assumed_nginx = nginx or ASSUMED
        self.openssl_known = openssl is not None
        self.openssl = openssl or OpenSSL.assumed()
        self.at = at or datetime.now(timezone.utc)
        self.system = system or SystemConfiguration()
        self.policies = tuple(policies)
        """The guidelines that the servers are judged by."""
        self.expiry_days = expiry_days
        """Fewer days than these left are few, if the user says how many."""
        self.provenance = provenance
        self.assumed_keys: tuple[ServerKey, ...] = ASSUMED_KEYS
        self._trust = trust

    def with_build(self, nginx: NginxVersion, openssl: OpenSSL) -> Facts:
        """The same facts for another build of nginx."""
        other = Facts.__new__(Facts)
        other.__dict__.update(self.__dict__)
        other.nginx = other.assumed_nginx = nginx
        other.openssl, other.openssl_known = openssl, True
        return other

    def with_keys(self, *keys: ServerKey) -> Facts:
        """The same facts, with these keys for certificates that could not be read."""
        other = Facts.__new__(Facts)
        other.__dict__.update(self.__dict__)
        other.assumed_keys = keys
        return other

    @cached_property
    def trust(self) -> TrustStore:
        """The trust anchors of a client: those given, else Mozilla's."""
        if self._trust is None:
            from nginxtls.pki import TrustStore

            return TrustStore.mozilla()
        return self._trust
