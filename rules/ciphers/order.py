"""Rules about whose order of suites decides: the server's or the client's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.ciphers.lists import SSL_CONF
from nginxtls.rules.common.edits import options_without, written
from nginxtls.rules.common.grouping import titles

from nginxtls.finding import Severity
from nginxtls.model.offered import legacy_suites
from nginxtls.rule import NGINX_SSL, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Directive


class NeedlessServerPreference(Rule):
    """The server prefers its own order although every suite in it is strong.

    Phones without AES hardware are faster with ChaCha20 and list it first; the server cannot know. For that reason
    Mozilla's lists disable the preference. Some guidelines require it.

    Clients: no error; phones without AES hardware encrypt with AES in software, which takes more time and energy.

    Fix: `ssl_prefer_server_ciphers off;`

    ```nginx bad
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ssl_prefer_server_ciphers on;
    ```

    ```nginx good
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ssl_prefer_server_ciphers off;
    ```
    """

    severity = Severity.NOTE
    needless = True
    pedantic = True
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", f"{NGINX_SSL}#ssl_prefer_server_ciphers")
    decides = ("ssl_prefer_server_ciphers",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        if any(policy.items.get("server_order", {}).get("wanted") for policy in configuration.facts.policies):
            return  # a policy is chosen that requires it
        if all(e.tls.server_order and _all_strong(e) for e in endpoints):
            yield self.at(
                directive,
                "the server overrides its clients' order of suites although every suite is strong",
                help="set `ssl_prefer_server_ciphers off;`",
                fix=written(directive, "off") if directive.name == "ssl_prefer_server_ciphers" else None,
                endpoints=titles(endpoints),
            )


class IdleChachaPriority(Rule):
    """`ssl_conf_command Options PrioritizeChaCha` has no effect without `ssl_prefer_server_ciphers on`.

    It gives ChaCha20 to clients that list it first although the server prefers its own order. Without that preference
    the client's order decides anyway.

    Clients: no difference.

    Fix: remove it, or enable the preference.

    ```nginx bad
    ssl_conf_command Options PrioritizeChaCha;
    ```

    ```nginx good
    ssl_conf_command Options PrioritizeChaCha;
    ssl_prefer_server_ciphers on;
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = (SSL_CONF, f"{NGINX_SSL}#ssl_prefer_server_ciphers")
    since = "OpenSSL 1.1.1"
    needs = ("ssl_conf_command",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        groups: dict[Directive, list[bool]] = {}
        for server in configuration.servers:
            order = server.setting("ssl_prefer_server_ciphers")
            for name, value, directive in server.conf_commands:
                words = {word.strip("+ ").lower() for word in value.split(",")}
                if name.lower() == "options" and "prioritizechacha" in words:
                    on = order.enabled or "serverpreference" in words or (order.is_default and not order.certain)
                    groups.setdefault(directive, []).append(on)
        for directive, preferences in groups.items():
            if not any(preferences):
                yield self.at(
                    directive,
                    "`PrioritizeChaCha` has no effect: the server does not prefer its own order",
                    arg=1,
                    help="remove it, or set `ssl_prefer_server_ciphers on;`",
                    fix=options_without(directive, ["PrioritizeChaCha"], safe=True),
                )


def _all_strong(endpoint: Endpoint) -> bool:
    suites = legacy_suites(endpoint)
    return bool(suites) and all(s.aead and s.forward_secrecy for s in suites)
