"""What ACME clients keep on the disk: which files belong to one certificate, which of them nginx should use.

Pure functions over a listing of paths; layouts after the documentation of certbot (renewal/, live/, archive/), acme.sh
(NAME/fullchain.cer), lego (certificates/NAME.crt) and dehydrated (certs/NAME/fullchain-TIME.pem).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath

from nginxtls.pki.certificate import Certificate
from nginxtls.pki.lifetimes import renewal_threshold


@dataclass(frozen=True, slots=True)
class Lineage:
    """One certificate and its renewals. Paths are as in the listing.

    ``fullchain`` is what nginx should use, ``leaf`` the file with the leaf alone; ``versions`` are the full chains of
    all renewals, oldest first; ``settings`` is the file that says when and how it is renewed.
    """

    tool: str
    name: str
    fullchain: str | None
    leaf: str | None = None
    key: str | None = None
    versions: tuple[str, ...] = ()
    settings: str | None = None


_LIVE = re.compile(r"(?P<base>.*/)?live/(?P<name>[^/]+)/(?P<kind>cert|fullchain|privkey|chain)\.pem")
_ARCHIVE = re.compile(
    r"(?P<base>.*/)?archive/(?P<name>[^/]+)/(?P<kind>cert|fullchain|privkey|chain)(?P<number>\d+)\.pem"
)
_RENEWAL = re.compile(r"(?P<base>.*/)?renewal/(?P<name>[^/]+)\.conf")
_ACME_SH = re.compile(r"(?P<base>.*/)?(?P<name>[^/]+?)(?P<ecc>_ecc)?/fullchain\.cer")
_LEGO = re.compile(r"(?P<base>.*/)?certificates/(?P<name>[^/]+)\.crt")
_DEHYDRATED = re.compile(r"(?P<base>.*/)?certs/(?P<name>[^/]+)/fullchain(-(?P<number>\d+))?\.pem")


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
        for pattern in (_LIVE, _ARCHIVE, _RENEWAL):
            if match := pattern.fullmatch(path):
                versions = names.setdefault((match["base"] or "", match["name"]), [])
                if pattern is _ARCHIVE and match["kind"] == "fullchain":
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
            # Unless told otherwise, lego writes the whole chain into the .crt file.
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
    (re.compile(r"(.*/)?cert\.pem"), "fullchain.pem"),
    (re.compile(r"(.*/)?cert(\d+)\.pem"), "fullchain{0}.pem"),
    (re.compile(r"(.*/)?cert-(\d+)\.pem"), "fullchain-{0}.pem"),
    (re.compile(r"(.*/)?[^/]+\.cer"), "fullchain.cer"),
)


def fullchain_beside(path: str) -> str | None:
    """The file with the full chain that an ACME client keeps beside its file with the leaf alone, by its name.

    ``…/cert.pem`` gives ``…/fullchain.pem``; None for a path that is not such a leaf.
    """
    for pattern, name in _LEAF_FILES:
        match = pattern.fullmatch(path)
        if match and not path.endswith(("/fullchain.cer", "/ca.cer")) and path not in {"fullchain.cer", "ca.cer"}:
            return (match[1] or "") + name.format(*match.groups()[1:])
    return None


def is_archived(path: str) -> tuple[str, str] | None:
    """For a numbered file in certbot's archive/, its number and the path in live/ that renewals follow; else None."""
    match = _ARCHIVE.fullmatch(path)
    if not match:
        return None
    return match["number"], f"{match['base'] or ''}live/{match['name']}/{match['kind']}.pem"


def newer(current: Certificate, others: Iterable[tuple[str, Certificate]]) -> tuple[str, Certificate] | None:
    """The newest of other certificates (path, certificate) that renews this one: later, and for all of its names."""
    names = {each.lower() for each in current.dns_names} | set(current.ip_addresses)
    later = [
        (path, other)
        for path, other in others
        if other.not_before > current.not_before
        and other.not_after > current.not_after
        and names <= {each.lower() for each in other.dns_names} | set(other.ip_addresses)
    ]
    return max(later, key=lambda pair: pair[1].not_before, default=None)


def overdue(certificate: Certificate, at: datetime, *, grace: timedelta = timedelta(days=2)) -> timedelta | None:
    """How long ago its ACME client should have renewed it, if more than ``grace``; None if it is not due."""
    try:
        due = certificate.not_after - renewal_threshold(certificate)
    except OverflowError:
        return None
    return at - due if at - due > grace else None


def read_settings(text: str) -> dict[str, str]:
    """The assignments of certbot's renewal/NAME.conf or acme.sh's NAME.conf, quotes removed; later ones win."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith(("#", "[")):
            found[key.strip()] = value.strip().strip("'\"")
    return found


def next_renewal(settings: dict[str, str]) -> datetime | None:
    """When acme.sh means to renew next, by its settings."""
    moment = settings.get("Le_NextRenewTime", "")
    if not moment.isdecimal() or len(moment) > 11:
        return None
    return datetime.fromtimestamp(int(moment), timezone.utc)
