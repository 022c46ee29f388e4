"""openssl.cnf: what of a system-wide OpenSSL configuration takes effect on a server's contexts."""

from __future__ import annotations

from nginxtls.base.lazy import NamedTuple, pattern

from .ciphers import CipherString
from .openssl import OpenSSL

_SECTION = pattern(r"\[\s*([^\]]*?)\s*\]")
_MOST_LINES = 20_000


class SystemConfiguration(NamedTuple):
    """The commands of ``ssl_conf`` → ``system_default`` (config(5), SSL_CONF_cmd(3)); None or empty where it has none.

    ``security_level`` is the ``@SECLEVEL`` of its CipherString. ``includes`` are ``.include`` lines, which are not
    followed: what they hold is unknown. ``given``: there is such a file, in place of the one that comes with OpenSSL.
    """

    cipher_string: str | None = None
    security_level: int | None = None
    ciphersuites: str | None = None
    groups: str | None = None
    options: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    given: bool = False

    def level(self, openssl: OpenSSL) -> int:
        """The effective security level if nothing else sets one."""
        if self.security_level is not None:
            return self.security_level
        return openssl.built_in_security_level if self.given else openssl.default_security_level


def parse_openssl_conf(text: str, applications: tuple[str, ...] = ("openssl_conf",)) -> SystemConfiguration:
    """Read an openssl.cnf. Never raises: lines that are none are skipped.

    ``applications`` are the names looked up in the unnamed section, the first that is there wins: a program that gives
    itself a name has its own before ``openssl_conf``.
    """
    sections, includes = _sections(text)
    top = sections.get("default", {})
    start = next((top[name] for name in applications if name in top), "")
    ssl_conf = sections.get(start, {}).get("ssl_conf", "")
    commands = sections.get(sections.get(ssl_conf, {}).get("system_default", ""), {})
    found: dict[str, str] = {}
    options: list[str] = []
    for name, value in commands.items():
        # A prefix up to a dot distinguishes several commands of the same name; case is ignored.
        command = name.rpartition(".")[2].lower()
        found[command] = value
        if command == "options":
            options += [option.strip() for option in value.split(",") if option.strip()]
    string = found.get("cipherstring")
    return SystemConfiguration(
        cipher_string=string,
        security_level=CipherString(string).evaluate(OpenSSL.assumed()).security_level if string else None,
        ciphersuites=found.get("ciphersuites"),
        groups=found.get("groups", found.get("curves")),
        options=tuple(options),
        includes=includes,
        given=True,
    )


def _sections(text: str) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    sections: dict[str, dict[str, str]] = {"default": {}}
    current = sections["default"]
    includes: list[str] = []
    for line in text.replace("\\\r\n", "").replace("\\\n", "").splitlines()[:_MOST_LINES]:
        line = _uncommented(line).strip()
        if found := _SECTION.match(line):
            current = sections.setdefault(found[1], {})
        elif line.startswith(".include"):
            includes.append(line.removeprefix(".include").strip(" \t="))
        elif "=" in line and not line.startswith("."):
            name, _, value = line.partition("=")
            current[name.strip()] = value.strip().strip("\"'")
    return sections, tuple(includes)


def _uncommented(line: str) -> str:
    quote = ""
    for at, c in enumerate(line):
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        elif c == "#":
            return line[:at]
    return line
