"""What is known beside the configuration itself: versions, the moment, trust anchors, policy, what was seen of it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from nginxtls.base.lazy import once
from nginxtls.model.versions import ASSUMED, NginxVersion
from nginxtls.tls import OpenSSL, SystemConfiguration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nginxtls.pki import TrustStore
    from nginxtls.tls import Policy


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
        self._trust = trust

    @once
    def trust(self) -> TrustStore:
        """The trust anchors of a client: those given, else Mozilla's."""
        if self._trust is None:
            from nginxtls.pki import TrustStore

            return TrustStore.mozilla()
        return self._trust
