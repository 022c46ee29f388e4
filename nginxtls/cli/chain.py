"""``nginxtls chain FILE``: the chain as sent and the path a fresh client builds, an offline ``s_client -showcerts``."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from nginxtls.base.errors import UsageError
from nginxtls.base.printing import json_text, shown
from nginxtls.cli import options, values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.pki import Bundle, Certificate, Chain, TrustStore


def chain(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A certificate file as used by ssl_certificate.")],
    trust: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--trust",
            metavar="STORE",
            help="The client's trust store: mozilla (default), system, none, or a PEM file. Repeatable.",
            show_default=False,
        ),
    ] = None,
    root: options.Root = "",
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="The host name that the client verifies.", show_default=False)
    ] = "",
    at: options.At = "",
    form: options.TextOrJSON = "text",
    write: Annotated[
        str,
        typer.Option(
            "--write",
            metavar="FIXED",
            help="Write a bundle in the right order and with its intermediates there, from the files beside FILE.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Show the certificates in a file, the path that a client with an empty cache builds, and the verdict.

    Exit code: 0 if the chain is trusted, 1 if not, 2 if the file cannot be read or --write cannot fix it.
    """
    from nginxtls.pki import analyse_chain

    if form not in ("text", "json"):
        raise UsageError(f"--format {form}", "is not an output format", "use text or json")
    moment = values.moment(at) or datetime.now(timezone.utc)
    bundle = _bundle(file, root)
    stores = [_store(each) for each in trust or ["mozilla"]]
    whole = stores[0]
    for store in stores[1:]:
        whole = whole | store
    verdict = analyse_chain(bundle, whole, moment, name or None)
    if form == "json":
        typer.echo(json_text(_json(verdict), indent=2))
    else:
        each = [(store.name, analyse_chain(bundle, store, moment, name or None)) for store in stores]
        for line in _text(file, bundle, verdict, each, moment):
            typer.echo(shown(line))
    if write:
        from nginxtls.cli.bundle import write_fixed
        from nginxtls.pki.pem import TOO_BIG

        def read(path: str) -> bytes | None:
            try:
                return _read(path, root, TOO_BIG)
            except UsageError:
                return None

        leaf = verdict.sent[verdict.leaf_place]
        typer.echo(shown(write_fixed(bundle, leaf, write, whole, moment, read)), err=True)
    if verdict.verdict != "trusted":
        raise typer.Exit(1)


def _bundle(file: str, root: str) -> Bundle:
    from nginxtls.pki import read_bundle
    from nginxtls.pki.pem import TOO_BIG

    bundle = read_bundle(_read(file, root, TOO_BIG), file)
    if not bundle.loads or not bundle.certificates:
        problem = bundle.problems[-1]
        raise UsageError(f"{file}:{problem.line}", problem.message, "nginx does not load it either")
    return bundle


def _read(file: str, root: str, limit: int) -> bytes:
    from nginxtls.syntax.files import PERMISSION, Files, Unreachable

    if root and not os.path.isdir(root):
        raise UsageError(
            f"--root {root}", "is not a folder", "set it to the folder that holds the server's file system"
        )
    files = Files([] if root else ["/"], root=root or None, limit=limit)
    content = files.read(file, os.getcwd())
    if isinstance(content, Unreachable) and root and not content.exists:
        content = files.read("/" + os.path.relpath(os.path.abspath(file), os.path.abspath(root)))
    if isinstance(content, Unreachable):
        help = f"run nginxtls as a user with read permission, such as root: `sudo nginxtls chain {file}`"
        raise UsageError(file, content.reason, help if content.reason == PERMISSION else "")
    return content


def _store(text: str) -> TrustStore:
    from nginxtls.pki import TrustStore

    try:
        return TrustStore.named(text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--trust {text}", reason, "use a PEM file, mozilla, system or none") from error


def _json(verdict: Chain) -> dict[str, Any]:
    return {
        "sent": [describe(each) for each in verdict.sent],
        "path": [describe(each) for each in verdict.path],
        "verdict": verdict.verdict,
        "reasons": [
            {"rule": each.kind, "certificate": each.certificate, "message": each.message} for each in verdict.reasons
        ],
    }


def describe(certificate: Certificate) -> dict[str, Any]:
    """The properties of a certificate, ready for JSON."""
    key = certificate.key
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": f"{certificate.serial:x}",
        "not_before": certificate.not_before.isoformat() if certificate.has_dates else None,
        "not_after": certificate.not_after.isoformat() if certificate.has_dates else None,
        "names": [san.value for san in certificate.sans],
        "key": {"kind": key.kind, "bits": key.bits, "curve": key.curve},
        "signature": certificate.signature_algorithm,
        "ca": certificate.is_ca,
        "sha256": certificate.sha256,
    }


# The most certificates of one file that text output shows; JSON has them all.
_MOST = 20


def _text(file: str, bundle: Bundle, whole: Chain, each: Sequence[tuple[str, Chain]], at: datetime) -> Iterator[str]:
    count = len(whole.sent)
    yield f"{file} sends {count} certificate{'s' if count != 1 else ''}"
    for problem in bundle.problems:
        yield f"  note: line {problem.line}: {problem.message}"
    for place, certificate in enumerate(whole.sent[:_MOST]):
        yield f"  {place} {certificate.subject_name}"
        yield from _facts(certificate, at, " " * 4)
    if count > _MOST:
        yield f"  … and {count - _MOST:,} more"
    for store, verdict in each:
        yield ""
        yield f"a client that trusts {store}: {verdict.verdict}"
        for depth, certificate in enumerate(verdict.path):
            branch = "  " + "   " * (depth - 1) + "└─ " if depth else "  "
            sent = certificate in verdict.sent
            where = f"sent as {verdict.sent.index(certificate)}" if sent else "from the trust store"
            yield f"{branch}{certificate.subject_name} ({where})"
        if verdict.missing_issuer:
            yield "  " + "   " * (len(verdict.path) - 1) + f"└─ {verdict.missing_issuer} (missing)"
            for address in verdict.aia:
                yield "  " + "   " * len(verdict.path) + f"its certificate is available at {address}"
        for reason in verdict.reasons:
            yield f"  {'error' if reason.fatal else 'warning'}[{reason.kind}]: {reason.message}"


def _facts(certificate: Certificate, at: datetime, indent: str) -> Iterator[str]:
    if not certificate.self_issued:
        yield f"{indent}issued by {certificate.issuer_name}"
    if certificate.has_dates:
        left = certificate.not_after - at
        when = f"{_days(left)} left" if left >= timedelta() else f"expired {_days(-left)} ago"
        yield f"{indent}{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}, {when}"
    else:
        yield f"{indent}its validity dates cannot be read"
    names = [san.value for san in certificate.sans]
    if names:
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        yield f"{indent}for {', '.join(names[:6])}{more}"
    key = certificate.key
    size = key.curve or (f"{key.bits} bits" if key.bits else "")
    yield f"{indent}{' '.join(filter(None, (key.kind, size)))}, signed with {certificate.signature_algorithm}"


def _days(span: timedelta) -> str:
    return f"{span.days} day{'s' if span.days != 1 else ''}"
