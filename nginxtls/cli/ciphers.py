"""``nginxtls ciphers STRING``: the suites that a cipher string selects, like ``openssl ciphers``, with a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from nginxtls.base.errors import UsageError
from nginxtls.base.printing import json_text, shown
from nginxtls.cli import completion, options

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from nginxtls.tls import Evaluation, GroupList, OpenSSL, Policy, ServerKey, Suite, UnknownWord

_REASONS = {
    "removed": "removed from this OpenSSL",
    "tls13": "a TLS 1.3 suite, which only ssl_conf_command Ciphersuites can set",
    "iana": "an IANA name, supported since OpenSSL 3.2",
    "profile": "supported only by Red Hat's OpenSSL",
    "position": "only effective at the start of the string",
    "misspelt": "unknown to every OpenSSL",
}


@dataclass(frozen=True, slots=True)
class _Subject:
    """A cipher string to evaluate, and what is known about the server that uses it."""

    title: str
    evaluation: Evaluation
    level: int
    served: dict[str, tuple[Suite, ...]] | None
    """The suites that a client can get, by protocol version; None if no key is known."""


def ciphers(
    string: Annotated[
        str,
        typer.Argument(
            metavar="[STRING]",
            help="A cipher string as in ssl_ciphers. Default with --nginx: those of CONFIG.",
            show_default=False,
        ),
    ] = "",
    openssl_version: options.OpenSSLVersion = "",
    key: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads the annotation while running, on Python 3.10, too
        typer.Option(
            "--key",
            metavar="KEY",
            help="The server's key: rsa, rsa:3072, ec, ec:P-384, ed25519. Repeatable.",
            show_default=False,
        ),
    ] = None,
    dhparam: Annotated[
        int,
        typer.Option(
            "--dhparam", metavar="BITS", help="Size of the DH parameters in bits. [default: none]", show_default=False
        ),
    ] = 0,
    policy: Annotated[
        str,
        typer.Option(
            "--policy",
            autocompletion=completion.policies,
            metavar="POLICY",
            help="Check the suites against this policy, a name or a file.",
            show_default=False,
        ),
    ] = "",
    nginx: Annotated[
        str,
        typer.Option(
            "--nginx",
            metavar="CONFIG",
            help="Read cipher strings and keys from this configuration.",
            show_default=False,
        ),
    ] = "",
    form: options.TextOrJSON = "text",
) -> None:
    """List the suites that a cipher string selects, in order, with a verdict on each.

    Exit code: 1 if OpenSSL rejects the string or a suite violates the policy.
    """
    from nginxtls.tls import OpenSSL

    if form not in ("text", "json"):
        raise UsageError(f"--format {form}", "is not an output format", "use text or json")
    if not string and not nginx:
        raise UsageError("STRING", "is missing", "add a cipher string, or a configuration with `--nginx CONFIG`")
    try:
        openssl = OpenSSL.parse(openssl_version) if openssl_version else OpenSSL.assumed()
    except ValueError as error:
        raise UsageError("--openssl-version", str(error)) from error
    chosen = _policy(policy)
    keys = [_key(text) for text in key or ()]
    if nginx:
        subjects = _configured(nginx, string, openssl_version)
    else:
        subjects = [_given(string, openssl, keys, dhparam or None)]
    answers = [_json(subject, chosen) for subject in subjects]
    if form == "json":
        typer.echo(json_text(answers if nginx else answers[0], indent=2))
    else:
        for number, (subject, answer) in enumerate(zip(subjects, answers, strict=True)):
            if number:
                typer.echo("")
            for line in _text(subject, answer):
                typer.echo(shown(line))
    if any(answer["error"] or (chosen and any(s["objection"] for s in answer["suites"])) for answer in answers):
        raise typer.Exit(1)


def _policy(text: str) -> Policy | None:
    from nginxtls.tls import PolicyError, load_policy, policies, policy
    from nginxtls.tls.policy_files import ALIASES

    if not text:
        return None
    try:
        return policy(text) if text in (*policies(), *ALIASES) else load_policy(text)
    except PolicyError as error:
        raise UsageError("--policy", str(error)) from error
    except OSError as error:
        known = f"use one of {', '.join(policies())} or a file"
        raise UsageError(f"--policy {text}", f"cannot be read: {error.strerror}", known) from error


def _key(text: str) -> ServerKey:
    from nginxtls.tls import ServerKey, group

    kind, _, detail = text.lower().partition(":")
    if kind == "rsa" and (not detail or detail.isdigit()):
        return ServerKey("RSA", int(detail or 2048))
    if kind in ("ec", "ecdsa"):
        curve = group(detail or "P-256")
        if curve is not None and (digits := "".join(c for c in curve.name.partition("r1")[0] if c.isdigit())):
            return ServerKey("EC", int(digits), curve.name)
    if kind in ("ed25519", "ed448") and not detail:
        return ServerKey(kind.capitalize(), None)
    raise UsageError(f"--key {text}", "is not a key", "use rsa, rsa:3072, ec, ec:P-384, ed25519 or ed448")


def _given(string: str, openssl: OpenSSL, keys: Collection[ServerKey], dhparam: int | None) -> _Subject:
    from nginxtls.tls import PROTOCOLS, CipherString, evaluate_ciphersuites, evaluate_groups, negotiable

    evaluation = CipherString(string).evaluate(openssl)
    given = evaluation.security_level
    level = openssl.default_security_level if given is None else given
    served = None
    if keys:
        groups: GroupList = evaluate_groups(None, openssl)
        served = negotiable(
            keys=keys,
            evaluation=evaluation,
            ciphersuites=evaluate_ciphersuites(None, openssl).suites,
            protocols=PROTOCOLS,
            level=level,
            dhparam_bits=dhparam,
            openssl=openssl,
            groups=groups,
        )
    return _Subject("", evaluation, level, served)


def _configured(config: str, string: str, openssl_version: str) -> list[_Subject]:
    """The cipher strings of a configuration's endpoints, each once with all servers that share it."""
    import nginxtls
    from nginxtls.tls import CipherString, negotiable

    configuration = nginxtls.load(config, openssl_version=openssl_version or None)
    found: dict[tuple[Any, ...], list[str]] = {}
    subjects: dict[tuple[Any, ...], _Subject] = {}
    for endpoint in configuration.endpoints:
        tls = endpoint.tls
        evaluation, level, served = tls.evaluation, tls.level, dict(tls.suites)
        if string:
            evaluation = CipherString(string).evaluate(tls.openssl)
            level = tls.level if evaluation.security_level is None else evaluation.security_level
            served = negotiable(
                keys=tls.keys or (),
                evaluation=evaluation,
                ciphersuites=tls.ciphersuites,
                protocols=tls.enabled,
                level=level,
                dhparam_bits=tls.dhparam_bits,
                openssl=tls.openssl,
                groups=tls.group_list,
            )
        same = (evaluation.text, level, tuple(served.items()))
        found.setdefault(same, []).append(endpoint.title)
        subjects[same] = _Subject("", evaluation, level, served)
    if not subjects:
        raise UsageError(config, "contains no TLS server")
    return [
        _Subject(", ".join(dict.fromkeys(titles)), s.evaluation, s.level, s.served)
        for s, titles in ((subjects[same], titles) for same, titles in found.items())
    ]


def _json(subject: _Subject, policy: Policy | None) -> dict[str, Any]:
    evaluation, served = subject.evaluation, subject.served
    listed: Iterable[Suite] = evaluation.suites
    if served:
        modern = served.get("TLSv1.3", ())
        listed = (*modern, *(s for s in listed if s not in modern))
    rows = []
    for suite in listed:
        protocols = None if served is None else [p for p, some in served.items() if suite in some]
        kept = _kept(suite, subject) if protocols is None or not protocols else None
        offered = not kept
        objection = policy.suite_objection(suite) if policy and offered else None
        rows.append(
            {
                "name": suite.name,
                "iana": suite.iana,
                "number": f"0x{suite.number:04X}",
                "protocol": suite.protocol,
                "protocols": protocols,
                "key_exchange": suite.key_exchange,
                "authentication": suite.authentication,
                "encryption": suite.encryption,
                "bits": suite.bits,
                "mac": suite.mac,
                "forward_secrecy": suite.forward_secrecy,
                "offered": offered,
                "objection": objection,
                "verdict": kept or (objection or "allowed" if policy else _verdict(suite)),
            }
        )
    return {
        "servers": subject.title or None,
        "string": evaluation.text,
        "openssl": str(evaluation.openssl),
        "security_level": subject.level,
        "error": evaluation.error,
        "policy": policy.name if policy else None,
        "suites": rows,
        "unknown": [
            {"word": u.word, "start": u.start, "end": u.end, "reason": _REASONS[u.reason], "suggestion": u.suggestion}
            for u in evaluation.unknown
        ],
    }


def _kept(suite: Suite, subject: _Subject) -> str | None:
    """Why no client gets a suite of the list, as far as known; None if a client may."""
    from nginxtls.tls import suite_allowed

    if "PSK" in suite.key_exchange or suite.key_exchange == "SRP":
        return f"not served: nginx does not support {'SRP' if suite.key_exchange == 'SRP' else 'pre-shared keys'}"
    if not suite_allowed(suite, subject.level):
        return f"not served: security level {subject.level}"
    if subject.served is None:
        return None
    if suite.key_exchange == "DHE":
        return "not served: no matching key, protocol or DH parameters"
    return "not served: no matching key or protocol"


def _verdict(suite: Suite) -> str:
    """The weaknesses of a suite, worst first."""
    if suite.encryption == "None":
        return "no encryption"
    if suite.anonymous:
        return "the server is not authenticated"
    if "EXPORT" in suite.flags or suite.encryption in ("RC4", "RC2", "DES", "3DES", "IDEA", "SEED"):
        return f"broken or outdated encryption ({suite.encryption})"
    if suite.mac == "MD5":
        return "MD5"
    if not suite.forward_secrecy:
        return "no forward secrecy"
    if suite.key_exchange == "DHE":
        return "finite field DH (deprecated for TLS 1.2, RFC 10015)"
    return "good" if suite.aead else "CBC"


def _text(subject: _Subject, answer: dict[str, Any]) -> Iterator[str]:
    if subject.title:
        yield subject.title
    yield f"OpenSSL {answer['openssl']}, security level {answer['security_level']}" + (
        f", policy {answer['policy']}" if answer["policy"] else ""
    )
    evaluation = subject.evaluation
    if evaluation.unknown or evaluation.error:
        yield f"  {evaluation.text}"
        for unknown in evaluation.unknown:
            yield _underline(unknown)
        if evaluation.error_at is not None:
            yield f"  {' ' * evaluation.error_at}^ OpenSSL stops here"
    if evaluation.error:
        yield f"OpenSSL rejects this string: {evaluation.error}"
        return
    rows = answer["suites"]
    hidden = 0
    if subject.served is not None:  # with known keys only what a client can get matters
        rows = [row for row in rows if row["offered"]]
        hidden = len(answer["suites"]) - len(rows)
    table = [("SUITE", "IANA", "PROTOCOL", "KEY EXCHANGE", "FS", "VERDICT")]
    for row in rows:
        protocols = row["protocols"]
        oldest = "TLSv1-1.2" if row["protocol"] < "TLSv1.2" else row["protocol"]
        table.append(
            (
                row["name"],
                row["iana"],
                " ".join(protocols) if protocols else oldest,
                f"{row['key_exchange']} {row['authentication']}" if row["key_exchange"] != "any" else "any",
                "yes" if row["forward_secrecy"] else "no",
                row["verdict"],
            )
        )
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    offered = sum(row["offered"] for row in rows)
    if subject.served is None:
        yield f"{len(rows)} suites, {offered} of them usable at this level"
    else:
        yield f"{offered} suites offered; {hidden} more lack a key, protocol, parameters or security level"


def _underline(unknown: UnknownWord) -> str:
    help = f"; did you mean {unknown.suggestion}?" if unknown.suggestion else ""
    return f"  {' ' * unknown.start}{'^' * (unknown.end - unknown.start)} skipped: {_REASONS[unknown.reason]}{help}"
