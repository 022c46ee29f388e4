"""Policies: the requirements of a published or private guideline on TLS servers, and the violations, item by item.

A policy is a JSON or YAML file after ``policies/schema.json``; those of this package name their source in each file.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from nginxtls.base.lazy import NamedTuple
from nginxtls.base.limits import LIMITS
from nginxtls.base.reading import read_regular
from nginxtls.base.secrets import hide
from nginxtls.base.yaml_text import NotYamlError, read_yaml

from .groups import Group, group
from .negotiation import ServerKey
from .suites import PROTOCOLS, Suite, suite


class PolicyError(ValueError):
    """A policy that does not exist or is not well-formed; the text has the problem, its place, and what to do.

    Key material that it quotes is hidden.
    """

    def __init__(self, text: str) -> None:
        super().__init__(hide(text))


class Effective(NamedTuple):
    """What a server does, as far as it is known. None is unknown, and not checked.

    ``suites`` are those of TLS 1.2 and before, ``ciphersuites`` those of TLS 1.3 that a client can get.
    ``upstream_protocols`` are those that nginx offers to upstreams, ``http_versions`` what clients of a name can use.
    ``dhparam_bits`` is the size of the DH parameters if a DHE suite can be chosen, ``lifetime_days`` the longest
    validity of a leaf, ``hsts_age`` the max-age in seconds that is sent, 0 without the header. ``stapling`` is None
    also where no certificate names a responder. ``protocols_explicit``: the protocols are written down rather than a
    default.
    """

    protocols: Collection[str] | None = None
    suites: Collection[Suite] | None = None
    ciphersuites: Collection[Suite] | None = None
    groups: Collection[Group] | None = None
    dhparam_bits: int | None = None
    keys: Collection[ServerKey] | None = None
    lifetime_days: int | None = None
    hsts_age: int | None = None
    upstream_protocols: Collection[str] | None = None
    http_versions: Collection[str] | None = None
    stapling: bool | None = None
    session_tickets: bool | None = None
    early_data: bool | None = None
    server_order: bool | None = None
    protocols_explicit: bool | None = None


class Objection(NamedTuple):
    """One thing that a policy does not accept.

    ``item`` is the part of the policy (``protocols``, ``suites``, ``ciphersuites``, ``groups``, ``dhparam``, ``key``,
    ``lifetime``, ``hsts``, ``stapling``, ``session_tickets``, ``early_data``, ``server_order``); ``names`` are the
    protocols, suites, groups or keys in question. ``clause`` and ``date`` say where the policy has it; ``basis`` how it
    was established: ``text``, ``second-hand``, ``memory`` or, where the source leaves it open, ``interpretation``.
    ``advice``: discouraged rather than excluded.
    """

    item: str
    message: str
    names: tuple[str, ...]
    policy: str
    clause: str
    date: str
    basis: str
    advice: bool = False


class Policy(NamedTuple):
    """A policy: ``name`` as it is given on the command line, where it comes from, and its items as in its file."""

    name: str
    title: str
    publisher: str
    version: str
    date: str
    status: str
    reference: str
    notes: tuple[str, ...]
    checked: str
    items: Mapping[str, Mapping[str, Any]]

    def __hash__(self) -> int:
        return hash((self.name, self.version, self.date))

    def objections(self, effective: Effective) -> list[Objection]:
        """What the policy objects to, in the order of its items."""
        return [
            Objection(item, message, names, self.name, rule["clause"], self.date, rule.get("basis", "text"), advice)
            for item, rule in self.items.items()
            for message, names, advice in _CHECKS[item](rule, effective)
        ]

    def suite_objection(self, subject: Suite) -> str | None:
        """Why the policy objects to a suite, in words; None if it does not."""
        item = "ciphersuites" if subject.protocol == "TLSv1.3" else "suites"
        allowed = self.items.get("protocols", {}).get("allowed")
        if allowed is not None and not set(subject.protocols) & set(allowed):
            return f"only {_and(allowed)} may be offered"
        rule = self.items.get(item, {})
        if subject.name in _excluded(rule, (subject,)):
            return "not an allowed suite" if "allowed" in rule else "excluded"
        return next((d["reason"] for d in rule.get("discouraged", ()) if subject.name in d["suites"]), None)


_Found = Iterator[tuple[str, tuple[str, ...], bool]]


def _and(names: Collection[str]) -> str:
    return " and ".join(filter(None, [", ".join(list(names)[:-1]), *list(names)[-1:]]))


def _some(names: Collection[str], most: int = 3) -> str:
    listed = list(names)
    return _and(listed) if len(listed) <= most + 1 else f"{', '.join(listed[:most])} and {len(listed) - most} more"


def _protocols(rule: Mapping[str, Any], effective: Effective) -> _Found:
    if effective.protocols is None:
        return
    served = [p for p in PROTOCOLS if p in effective.protocols]
    if extra := [p for p in served if p not in rule["allowed"]]:
        yield f"{_and(extra)} may not be offered, only {_and(rule['allowed'])}", tuple(extra), False
    if lacking := [p for p in rule.get("required", ()) if p not in served]:
        yield f"{_and(lacking)} must be offered", tuple(lacking), False
    if rule.get("explicit") and effective.protocols_explicit is False:
        yield "the protocols must be set explicitly", (), False


def _upstream_protocols(rule: Mapping[str, Any], effective: Effective) -> _Found:
    if effective.upstream_protocols is None:
        return
    offered = [p for p in PROTOCOLS if p in effective.upstream_protocols]
    if extra := [p for p in offered if p not in rule["allowed"]]:
        yield f"{_and(extra)} may not be offered to upstreams, only {_and(rule['allowed'])}", tuple(extra), False


def _excluded(rule: Mapping[str, Any], served: Collection[Suite]) -> list[str]:
    allowed, forbidden = rule.get("allowed"), rule.get("forbidden", ())
    tolerated = {name for d in rule.get("discouraged", ()) for name in d["suites"]}
    return [
        s.name
        for s in served
        if (allowed is not None and s.name not in allowed and s.name not in tolerated)
        or any(fnmatchcase(s.name, pattern) for pattern in forbidden)
    ]


def _suites_of(rule: Mapping[str, Any], served: Collection[Suite] | None) -> _Found:
    if served is None:
        return
    served = list(dict.fromkeys(served))
    if out := _excluded(rule, served):
        yield f"{_some([s.iana for s in served if s.name in out])} may not be offered", tuple(out), False
    for discouraged in rule.get("discouraged", ()):
        if found := [s for s in served if s.name in discouraged["suites"] and s.name not in out]:
            message = f"{_some([s.iana for s in found])}: {discouraged['reason']}"
            yield message, tuple(s.name for s in found), True


def _suites(rule: Mapping[str, Any], effective: Effective) -> _Found:
    return _suites_of(rule, effective.suites)


def _ciphersuites(rule: Mapping[str, Any], effective: Effective) -> _Found:
    return _suites_of(rule, effective.ciphersuites)


def _group_names(names: Collection[str]) -> set[str]:
    return {found.name if (found := group(name)) else name for name in names}


def _groups(rule: Mapping[str, Any], effective: Effective) -> _Found:
    if effective.groups is None:
        return
    served = [g.name for g in effective.groups]
    allowed, wanted = _group_names(rule["allowed"]), _group_names(rule.get("required_any", ()))
    if out := [name for name in served if name not in allowed]:
        yield f"{_some(out)} may not be offered", tuple(out), False
    if wanted and not wanted & set(served):
        yield f"one of {_and(sorted(wanted))} must be offered", tuple(sorted(wanted)), False


def _dhparam(rule: Mapping[str, Any], effective: Effective) -> _Found:
    least = rule["minimum_bits"]
    if effective.dhparam_bits is not None and effective.dhparam_bits < least:
        yield f"the DH parameters have {effective.dhparam_bits} bits; at least {least} are required", (), False


def _key(rule: Mapping[str, Any], effective: Effective) -> _Found:
    curves = _group_names(rule.get("curves", ()))
    for key in effective.keys or ():
        size = f"{key.kind} {key.curve or key.bits or ''}".rstrip()
        kind = "RSA" if key.kind == "RSA-PSS" else key.kind
        if kind == "unknown":
            continue
        least = rule.get({"RSA": "rsa_bits", "EC": "ec_bits"}.get(kind, ""))
        if "kinds" in rule and kind not in rule["kinds"]:
            yield f"the certificate's key is {size}; {_and(rule['kinds'])} is required", (size,), False
        elif least and key.bits is not None and key.bits < least:
            yield f"the certificate's {kind} key has {key.bits} bits; at least {least} are required", (size,), False
        elif kind == "EC" and curves and key.curve and not _group_names([key.curve]) & curves:
            yield f"the certificate's key is on {key.curve}; {_and(sorted(curves))} are allowed", (size,), False


def _lifetime(rule: Mapping[str, Any], effective: Effective) -> _Found:
    most = rule["maximum_days"]
    if effective.lifetime_days is not None and effective.lifetime_days > most:
        yield f"the certificate is valid for {effective.lifetime_days} days; at most {most} are allowed", (), False


def _hsts(rule: Mapping[str, Any], effective: Effective) -> _Found:
    age, least = effective.hsts_age, rule["minimum_age"]
    if age is not None and age < least:
        sent = f"Strict-Transport-Security has max-age={age}" if age else "no Strict-Transport-Security is sent"
        yield f"{sent}; max-age={least} or more is required", (), False


def _stapling(rule: Mapping[str, Any], effective: Effective) -> _Found:
    if rule["required"] and effective.stapling is False:
        yield "OCSP responses must be stapled", (), False


def _session_tickets(rule: Mapping[str, Any], effective: Effective) -> _Found:
    if effective.session_tickets and not rule.get("allowed", True):
        yield "session tickets may not be issued", (), False
    if effective.session_tickets is False and rule.get("required"):
        yield "session tickets must be issued", (), False


def _early_data(rule: Mapping[str, Any], effective: Effective) -> _Found:
    if effective.early_data and not rule["allowed"]:
        yield "early data may not be accepted", (), False


def _server_order(rule: Mapping[str, Any], effective: Effective) -> _Found:
    if effective.server_order is not None and effective.server_order != rule["wanted"]:
        yield (
            f"the {'server' if effective.server_order else 'client'}'s order of suites decides, not the "
            f"{'client' if effective.server_order else 'server'}'s",
            (),
            False,
        )


def _http_versions(rule: Mapping[str, Any], effective: Effective) -> _Found:
    if effective.http_versions is None:
        return
    if lacking := [version for version in rule["required"] if version not in effective.http_versions]:
        yield f"{_and(lacking)} must be offered", tuple(lacking), False


_CHECKS = {
    "protocols": _protocols,
    "suites": _suites,
    "ciphersuites": _ciphersuites,
    "groups": _groups,
    "dhparam": _dhparam,
    "key": _key,
    "lifetime": _lifetime,
    "hsts": _hsts,
    "stapling": _stapling,
    "session_tickets": _session_tickets,
    "early_data": _early_data,
    "server_order": _server_order,
    "upstream_protocols": _upstream_protocols,
    "http_versions": _http_versions,
}


#: Other names of policies: what Mozilla published is now TLSRef's.
ALIASES = {"mozilla-modern": "tlsref-modern", "mozilla-intermediate": "tlsref-intermediate"}


def policies() -> tuple[str, ...]:
    """The names of the policies in this package, aliases left out."""
    files = resources.files(__package__).joinpath("policies").iterdir()
    return tuple(
        sorted(f.name.removesuffix(".json") for f in files if f.name.endswith(".json") and f.name != "schema.json")
    )


@cache
def policy(name: str) -> Policy:
    """The policy of this name or alias, under that name. Raises PolicyError if there is none."""
    known = policies()
    file = ALIASES.get(name, name)
    if file not in known:
        raise PolicyError(f"no policy {name!r}; use one of {', '.join(known)}, or the path of a policy file")
    text = resources.files(__package__).joinpath("policies").joinpath(f"{file}.json").read_text(encoding="utf-8")
    return _policy(json.loads(text), file)._replace(name=name)


def load_policy(source: Path | str) -> Policy:
    """Read a policy of one's own: the path of a YAML or JSON file, or its text if it has more than one line.

    Raises PolicyError if it cannot be read or is not after the schema, OSError if the file is not there.
    """
    where = "policy"
    text = str(source)
    if isinstance(source, Path) or "\n" not in source:
        where = text
        text = read_regular(source, LIMITS["policy"]).decode("utf-8", "replace")
    try:
        return _policy(read_yaml(text), where)
    except NotYamlError as error:
        place = f"{where}, line {error.line}" if error.line else where
        raise PolicyError(f"{place}: not YAML: {error}") from None


def _policy(data: Any, where: str) -> Policy:
    schema = json.loads(
        resources.files(__package__).joinpath("policies").joinpath("schema.json").read_text(encoding="utf-8")
    )
    _check(data, schema, where, schema)
    for item in ("suites", "ciphersuites"):
        names = [
            *data.get(item, {}).get("allowed", ()),
            *(n for d in data.get(item, {}).get("discouraged", ()) for n in d["suites"]),
        ]
        if unknown := [n for n in names if suite(n) is None]:
            raise PolicyError(f"{where}: {item}: no cipher suite {unknown[0]!r}; use OpenSSL's or IANA's names")
    return Policy(
        name=data["name"],
        title=data.get("title", data["name"]),
        publisher=data.get("publisher", ""),
        version=str(data.get("version", "")),
        date=str(data.get("date", "")),
        status=data.get("status", ""),
        reference=data.get("reference", ""),
        notes=tuple(data.get("notes", ())),
        checked=data.get("checked", ""),
        items={item: {"clause": item, **_normal(data[item])} for item in _CHECKS if item in data},
    )


def _normal(rule: dict[str, Any]) -> dict[str, Any]:
    """Suites by OpenSSL's names, whichever the file has."""
    out = dict(rule)
    if "allowed" in rule and isinstance(rule["allowed"], list):
        out["allowed"] = [s.name if (s := suite(n)) else n for n in rule["allowed"]]
    if "discouraged" in rule:
        out["discouraged"] = [
            {**d, "suites": [s.name if (s := suite(n)) else n for n in d["suites"]]} for d in rule["discouraged"]
        ]
    return out


_TYPES: dict[str, type] = {
    "object": dict, "array": list, "string": str, "integer": int, "boolean": bool,
}  # fmt: skip


def _check(value: object, schema: Mapping[str, Any], where: str, root: Mapping[str, Any]) -> None:
    """The part of JSON Schema that schema.json uses, with messages for people."""
    if reference := schema.get("$ref"):
        schema = root["$defs"][reference.rpartition("/")[2]]
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool))):
        raise PolicyError(f"{where}: must be {'an' if kind[0] in 'aio' else 'a'} {kind}")
    if "enum" in schema and value not in schema["enum"]:
        raise PolicyError(f"{where}: {value!r} is not one of {', '.join(map(str, schema['enum']))}")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                raise PolicyError(f"{where}: {name!r} is missing")
        for name, inner in value.items():
            if name not in properties:
                from .ciphers import nearest

                near = nearest(str(name), tuple(properties))
                raise PolicyError(f"{where}: unknown key {name!r}" + (f"; did you mean {near!r}?" if near else ""))
            _check(inner, properties[name], f"{where}: {name}", root)
    if isinstance(value, list):
        for number, inner in enumerate(value):
            _check(inner, schema.get("items", {}), f"{where}[{number}]", root)
