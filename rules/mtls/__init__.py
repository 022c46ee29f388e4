"""Rules about client certificates: who requests them, who verifies them, and against which CAs."""

from nginxtls.rules.mtls import bypass, cas, identity, misdirected, optional, revocation, verification

__all__ = ["bypass", "cas", "identity", "misdirected", "optional", "revocation", "verification"]
