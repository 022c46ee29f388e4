"""``ssl_conf_command`` and its kin: commands for OpenSSL, which run after the directives have taken effect.

After ngx_ssl_conf_commands() of nginx (src/event/ngx_event_openssl.c) and SSL_CONF_cmd(3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nginxtls.syntax.tree import Directive

MODELLED = frozenset(
    "minprotocol maxprotocol protocol cipherstring ciphersuites groups curves dhparameters certificate privatekey "
    "verifymode signaturealgorithms clientsignaturealgorithms options numtickets recordpadding".split()
)
"""The commands whose effect on a handshake is modelled, or that have none that a client would notice."""
CLIENT_OPTIONS = {"unsafelegacyserverconnect": "UnsafeLegacyServerConnect"}
"""Options that do nothing in a server (SSL_CONF_cmd(3), "SUPPORTED CONFIGURATION FILE COMMANDS")."""
SERVER_OPTIONS = {
    name.lower(): name
    for name in "ServerPreference PrioritizeChaCha NoResumptionOnRenegotiation UnsafeLegacyRenegotiation "
    "ClientRenegotiation AllowNoDHEKEX PreferNoDHEKEX AntiReplay DHSingle ECDHSingle".split()
}
"""Options that do nothing in a client."""


def words(value: str) -> tuple[tuple[str, bool], ...]:
    """The words of a list such as ``-SessionTicket,ServerPreference``: lower case, and whether each is set."""
    found = (word.strip() for word in value.split(","))
    return tuple((word.lstrip("+-").lower(), not word.startswith("-")) for word in found if word)


class Command(NamedTuple):
    """One line: ``name`` in lower case, ``value`` as written."""

    name: str
    value: str
    directive: Directive

    @property
    def words(self) -> tuple[tuple[str, bool], ...]:
        """The words of a list such as ``-SessionTicket,ServerPreference``: lower case, and whether each is set."""
        return words(self.value)


def commands(directives: Iterable[Directive]) -> Iterator[Command]:
    """The commands of some lines, in order."""
    for directive in directives:
        if len(directive.args) > 1:
            yield Command(directive.args[0].lower(), directive.args[1], directive)


def option(lines: Iterable[Command], name: str) -> tuple[bool, Directive] | None:
    """Whether ``Options`` sets a word, and the line that decides; None where no line names it."""
    found = None
    for line in lines:
        if line.name == "options":
            for word, on in line.words:
                if word == name:
                    found = on, line.directive
    return found


def unmodelled(lines: Iterable[Command]) -> list[str]:
    """The names, as written, of the commands whose effect is not known here."""
    return list(dict.fromkeys(line.directive.args[0] for line in lines if line.name not in MODELLED))
