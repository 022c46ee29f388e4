"""The files of ACME clients: which of them belong to one certificate, and which one nginx should use.

Pure functions of paths and texts; layouts according to the documentation of certbot (renewal/, live/, archive/),
acme.sh (NAME/fullchain.cer), lego (certificates/NAME.crt) and dehydrated (certs/NAME/fullchain-TIME.pem).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from nginxtls.base.bounded import bounded
from nginxtls.base.lazy import NamedTuple, pattern

if TYPE_CHECKING:
    from nginxtls.pki.certificate import Certificate


class Lineage(NamedTuple):
    """One certificate and its renewals. Paths are as in the listing.

    ``fullchain`` is what nginx should use, ``leaf`` the file with the leaf alone; ``versions`` are the full chains of
    all renewals, oldest first; ``settings`` is the file that configures the renewal.
    """

    tool: str
    name: str
    fullchain: str | None
    leaf: str | None = None
    key: str | None = None
    versions: tuple[str, ...] = ()
    settings: str | None = None


class Client(NamedTuple):
    """An ACME client: ``homes`` are its usual folders, ``files`` the patterns of its lineages in one of them."""

    name: str
    homes: tuple[str, ...]
    files: tuple[str, ...]
    own: re.Pattern[str]
    """A file in a folder that only this client uses."""


# Homes: certbot's --config-dir, acme.sh's --home, lego's --path and that of its packages, dehydrated's
# BASEDIR, and the defaults of distributions.
CLIENTS = (
    Client(
        "certbot",
        ("/etc/letsencrypt", "/usr/local/etc/letsencrypt"),
        ("live/*/*.pem", "archive/*/fullchain*.pem", "renewal/*.conf"),
        pattern(r"(?P<home>(.*/)?letsencrypt)/(live|archive)/[^/]+/[^/]+"),
    ),
    Client(
        "acme.sh",
        ("/root/.acme.sh", "/etc/acme.sh", "/opt/acme.sh"),
        ("*/*.cer", "*/*.conf"),
        pattern(r"(?P<home>(.*/)?\.?acme\.sh)/[^/]+/[^/]+"),
    ),
    Client(
        "lego",
        ("/root/.lego", "/etc/lego", "/var/lib/lego"),
        ("certificates/*.crt",),
        pattern(r"(?P<home>(.*/)?\.?lego)/certificates/[^/]+"),
    ),
    Client(
        "dehydrated",
        ("/var/lib/dehydrated", "/etc/dehydrated"),
        ("certs/*/*.pem",),
        pattern(r"(?P<home>(.*/)?dehydrated)/certs/[^/]+/[^/]+"),
    ),
)


def home_of(path: str) -> tuple[Client, str] | None:
    """The ACME client that renews a file, and its home as in the path."""
    return next(((client, match["home"]) for client in CLIENTS if (match := client.own.fullmatch(path))), None)


def client_of(path: str) -> Client | None:
    """The ACME client that renews a file, by its folder."""
    found = home_of(path)
    return found[0] if found else None


_LIVE = pattern(r"(?P<base>.*/)?live/(?P<name>[^/]+)/(?P<kind>cert|fullchain|privkey|chain)\.pem")
_ARCHIVE = pattern(r"(?P<base>.*/)?archive/(?P<name>[^/]+)/(?P<kind>cert|fullchain|privkey|chain)(?P<number>\d+)\.pem")
_RENEWAL = pattern(r"(?P<base>.*/)?renewal/(?P<name>[^/]+)\.conf")
_ACME_SH = pattern(r"(?P<base>.*/)?(?P<name>[^/]+?)(?P<ecc>_ecc)?/fullchain\.cer")
_LEGO = pattern(r"(?P<base>.*/)?certificates/(?P<name>[^/]+)\.crt")
_DEHYDRATED = pattern(r"(?P<base>.*/)?certs/(?P<name>[^/]+)/fullchain(-(?P<number>\d+))?\.pem")


def find_lineages(paths: Iterable[str]) -> tuple[Lineage, ...]:
    """The lineages of a listing, by tool and name."""
    listing = sorted(set(paths))
    have = set(listing)
    return (
        *_certbot(listing, have),
        *_acme_sh(listing, have),
        *_lego(listing, have),
        *_dehydrated(listing, have),
    )


def _certbot(listing: list[str], have: set[str]) -> list[Lineage]:
    names: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for path in listing:
        for file in (_LIVE, _ARCHIVE, _RENEWAL):
            if match := file.fullmatch(path):
                versions = names.setdefault((match["base"] or "", match["name"]), [])
                if file is _ARCHIVE and match["kind"] == "fullchain":
                    versions.append((int(match["number"]), path))
    found = []
    for (base, name), versions in names.items():
        live = f"{base}live/{name}/"
        renewal = f"{base}renewal/{name}.conf"
        found.append(
            Lineage(
                "certbot",
                name,
                _if_there(f"{live}fullchain.pem", have),
                _if_there(f"{live}cert.pem", have),
                _if_there(f"{live}privkey.pem", have),
                tuple(path for _, path in sorted(versions)),
                _if_there(renewal, have),
            )
        )
    return found


def _acme_sh(listing: list[str], have: set[str]) -> list[Lineage]:
    found = []
    for path in listing:
        if match := _ACME_SH.fullmatch(path):
            folder, name = path.rpartition("/")[0], match["name"]
            leaf, key, settings = (_if_there(f"{folder}/{name}.{end}", have) for end in ("cer", "key", "conf"))
            found.append(Lineage("acme.sh", name, path, leaf, key, (path,), settings))
    return found


def _lego(listing: list[str], have: set[str]) -> list[Lineage]:
    found = []
    for path in listing:
        match = _LEGO.fullmatch(path)
        if match and not match["name"].endswith(".issuer"):
            stem = path.removesuffix(".crt")
            # By default, lego writes the full chain into the .crt file.
            found.append(
                Lineage(
                    "lego",
                    match["name"].replace("_", "*", 1) if match["name"].startswith("_.") else match["name"],
                    path,
                    None,
                    _if_there(f"{stem}.key", have),
                    (path,),
                    _if_there(f"{stem}.json", have),
                )
            )
    return found


def _dehydrated(listing: list[str], have: set[str]) -> list[Lineage]:
    folders: dict[str, list[tuple[int, str]]] = {}
    for path in listing:
        if match := _DEHYDRATED.fullmatch(path):
            versions = folders.setdefault(path.rpartition("/")[0], [])
            if match["number"]:
                versions.append((int(match["number"]), path))
    return [
        Lineage(
            "dehydrated",
            PurePosixPath(folder).name,
            _if_there(f"{folder}/fullchain.pem", have),
            _if_there(f"{folder}/cert.pem", have),
            _if_there(f"{folder}/privkey.pem", have),
            tuple(path for _, path in sorted(versions)),
            _if_there(f"{folder}/config", have),
        )
        for folder, versions in folders.items()
    ]


def _if_there(path: str, have: set[str]) -> str | None:
    return path if path in have else None


_LEAF_FILES = (
    (pattern(r"(.*/)?cert\.pem"), "fullchain.pem"),
    (pattern(r"(.*/)?cert(\d+)\.pem"), "fullchain{0}.pem"),
    (pattern(r"(.*/)?cert-(\d+)\.pem"), "fullchain-{0}.pem"),
    (pattern(r"(.*/)?[^/]+\.cer"), "fullchain.cer"),
)


@bounded(4096, 1_000_000)
def fullchain_beside(path: str) -> str | None:
    """The file with the full chain next to an ACME client's file with only the leaf, by its name.

    ``…/cert.pem`` gives ``…/fullchain.pem``; None for a path that is not such a leaf.
    """
    for leaf, name in _LEAF_FILES:
        match = leaf.fullmatch(path)
        if match and not path.endswith(("/fullchain.cer", "/ca.cer")) and path not in {"fullchain.cer", "ca.cer"}:
            return (match[1] or "") + name.format(*match.groups()[1:])
    return None


def live_path(path: str) -> str | None:
    """For a numbered file in certbot's archive/, the path in live/ that renewals update; otherwise None."""
    match = _ARCHIVE.fullmatch(path) if "archive/" in path else None
    return f"{match['base'] or ''}live/{match['name']}/{match['kind']}.pem" if match else None


def newer(current: Certificate, others: Iterable[tuple[str, Certificate]]) -> tuple[str, Certificate] | None:
    """The newest of the other certificates (path, certificate) that renews this one: later, and with all its names."""
    names = {each.lower() for each in current.dns_names} | set(current.ip_addresses)
    later = [
        (path, other)
        for path, other in others
        if other.not_before > current.not_before
        and other.not_after > current.not_after
        and names <= {each.lower() for each in other.dns_names} | set(other.ip_addresses)
    ]
    return max(later, key=lambda pair: pair[1].not_before, default=None)


def renewal_due(certificate: Certificate, settings: dict[str, str], usual: timedelta) -> datetime:
    """When its ACME client plans to renew it: by its settings, otherwise ``usual`` before it expires.

    certbot's ``renew_before_expiry`` is a number with a unit (default: days); acme.sh stores the time of the next
    renewal.
    """
    if (planned := next_renewal(settings)) is not None:
        return planned
    number, _, unit = settings.get("renew_before_expiry", "").partition(" ")
    unit = unit.strip().lower().removesuffix("s")
    if number.isdecimal() and len(number) < 5 and unit in _UNITS:
        usual = int(number) * _UNITS[unit]
    return certificate.not_after - usual


_UNITS = {unit: timedelta(days=days) for unit, days in (("", 1), ("day", 1), ("week", 7), ("month", 30))}


def read_settings(text: str) -> dict[str, str]:
    """The assignments of certbot's renewal/NAME.conf or acme.sh's NAME.conf, quotes removed; later ones win."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith(("#", "[")):
            found[key.strip()] = value.strip().strip("'\"")
    return found


def next_renewal(settings: dict[str, str]) -> datetime | None:
    """When acme.sh plans the next renewal, by its settings; None for other settings."""
    moment = settings.get("Le_NextRenewTime", "")
    if not moment.isdecimal() or len(moment) > 11:
        return None
    return datetime.fromtimestamp(int(moment), timezone.utc)
