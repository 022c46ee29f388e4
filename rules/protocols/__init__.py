"""Rules about protocol versions: obsolete versions, missing versions, and directives that have no effect."""

from nginxtls.rules.protocols import conf_command, legacy, sockets, tls13, words

__all__ = ["conf_command", "legacy", "sockets", "tls13", "words"]
