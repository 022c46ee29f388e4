"""Rules about sessions, tickets and early data, and about what a connection may do besides."""

from nginxtls.rules.sessions import cache, connection, early_data, tickets

__all__ = ["cache", "connection", "early_data", "tickets"]
