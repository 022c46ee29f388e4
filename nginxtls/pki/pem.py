"""PEM as OpenSSL reads it, line by line, and certificate files as nginx loads them.

Follows `PEM_read_bio_ex` and `EVP_DecodeBlock` of OpenSSL 3 (crypto/pem/pem_lib.c, crypto/evp/encode.c) and
`ngx_ssl_load_certificate` of nginx (src/event/ngx_event_openssl.c).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from nginxtls.base.bounded import bounded
from nginxtls.base.limits import LIMITS
from nginxtls.pki.certificate import Certificate, certificate
from nginxtls.pki.damage import BOM, Problem, what_happened, why_unseen
from nginxtls.pki.der import DerError

#: The largest file that is read, in bytes; nginx has no limit, but no chain is nearly as large.
TOO_BIG = LIMITS["pem"]
_LINE = 254
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_CERTIFICATES = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})
_TRUSTED = "TRUSTED CERTIFICATE"


@dataclass(frozen=True, slots=True)
class Block:
    """A PEM block: its label, the line of its BEGIN (from 1), its headers and, unless it is invalid, its contents."""

    label: str
    line: int
    data: bytes
    headers: bytes = b""
    problem: Problem | None = None

    def __repr__(self) -> str:
        return f"<{shown(self.label)} at line {self.line}>"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A file of certificates as nginx reads it for `ssl_certificate`: the first is the leaf, the others its chain."""

    name: str
    certificates: tuple[Certificate, ...]
    #: The line of each certificate, from 1.
    lines: tuple[int, ...]
    blocks: tuple[Block, ...]
    problems: tuple[Problem, ...]
    #: Whether nginx loads the file.
    loads: bool

    @property
    def leaf(self) -> Certificate | None:
        """The first certificate, or None."""
        return self.certificates[0] if self.certificates else None


_LABEL = re.compile(r"(?:[A-Z][A-Z0-9.]{0,15} ){0,4}[A-Z][A-Z0-9.]{0,15}")


def shown(label: str) -> str:
    """A label for messages: one without a line end after it may be the whole of a key."""
    return label if _LABEL.fullmatch(label) else "PEM block"


def is_key(label: str) -> bool:
    """Whether a PEM label is that of a private key."""
    return label.endswith("PRIVATE KEY")


_TIDY = re.compile(rb"-----BEGIN ([A-Z0-9 ]{6,40})-----\n((?:[A-Za-z0-9+/=]{1,64}\n)+)-----END \1-----\n")


def read_blocks(data: bytes, *, skips_bom: bool = True) -> Iterator[Block]:
    """The PEM blocks up to and including the first invalid one, which has a problem: OpenSSL stops there.

    ``skips_bom``: a byte order mark at the beginning of a read is skipped, as OpenSSL does since 3.0; 1.1.1 ignores the
    block after it (measured).
    """
    for block in _read_blocks(data, skips_bom):
        if block.problem and block.problem.kind in ("bad-base64", "truncated"):
            damage = what_happened(data, block.line)
            if damage is not None:
                text = f"the {shown(block.label)} is damaged: {damage.message}"
                block = replace(block, problem=replace(damage, message=text))
        yield block


def _read_blocks(data: bytes, skips_bom: bool) -> Iterator[Block]:
    tidy = list(_TIDY.finditer(data))
    if data and b"".join(match[0] for match in tidy) == data:  # the common format, without any other text
        first = 1
        for match in tidy:
            block = _decode(match[1].decode(), first, [], [match[2]])
            first += match[0].count(b"\n")
            yield block
            if block.problem:
                return
        return
    lines = _lines(data)
    begins = True
    for number, line in lines:
        if begins and skips_bom:
            line = line.removeprefix(BOM)
        begins = False
        if not (line.startswith(b"-----BEGIN ") and line.endswith(b"-----") and len(line) > 16):
            continue
        label = line[11:-5].decode("latin-1")
        block = _read_block(label, number, lines)
        yield block
        begins = True
        if block.problem:
            return


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines without trailing white space, numbered from 1; lines longer than OpenSSL's buffer are split."""
    for number, line in enumerate(data.split(b"\n"), 1):
        if len(line) <= _LINE:
            yield number, line.rstrip(_BLANKS)
        else:
            for at in range(0, len(line), _LINE):
                yield number, line[at : at + _LINE].rstrip(_BLANKS)


_BLANKS = bytes(range(33))


def _read_block(label: str, begin: int, lines: Iterator[tuple[int, bytes]]) -> Block:
    headers: list[bytes] = []
    body: list[bytes] = []
    state, blank = "maybe header", begin
    name = shown(label)
    for number, line in lines:
        if state == "maybe header" and b":" in line:
            state = "header"
        if not line:
            if state == "body":
                return Block(
                    label, begin, b"", problem=Problem("bad-base64", f"the {name} contains an empty line", number)
                )
            headers, body, state, blank = body, [], "body", number
        elif line.startswith(b"-----END "):
            if line[9:] != label.encode("latin-1") + b"-----":
                if b"-----BEGIN " in line:
                    text = f"the END line of the {name} and the next BEGIN line are on one line"
                    return Block(label, begin, b"", problem=Problem("glued", text, number))
                text = f"the BEGIN and END lines of the {name} have different labels"
                return Block(label, begin, b"", problem=Problem("truncated", text, number))
            if headers and not headers[0].startswith(b"Proc-Type:") and not any(b":" in line for line in headers):
                # What is before an empty line are headers.
                text = f"the {name} contains an empty line"
                return Block(label, begin, b"", problem=Problem("bad-base64", text, blank))
            return _open_ended(_decode(label, begin, headers, body), body)
        elif state == "body" and len(line) > 64:
            text = f"the {name} contains a line of more than 64 characters"
            return Block(label, begin, b"", problem=Problem("bad-base64", text, number))
        else:
            body.append(line)
    return Block(label, begin, b"", problem=Problem("truncated", f"the {name} has no END line", begin))


def _open_ended(block: Block, body: list[bytes]) -> Block:
    """A block that goes on over another BEGIN: OpenSSL decodes what precedes it, if that is whole (measured)."""
    if block.problem and any(line.startswith(b"-----BEGIN ") for line in body):
        text = f"the {shown(block.label)} has no END line before the next BEGIN line"
        return replace(block, problem=Problem("truncated", text, block.line))
    return block


def _decode(label: str, begin: int, headers: list[bytes], body: list[bytes]) -> Block:
    text = b"".join(b"".join(body).split())
    # OpenSSL stops decoding at a hyphen.
    text = text.partition(b"-")[0]
    if not text or len(text) % 4 or not _BASE64.fullmatch(text):
        problem = Problem("bad-base64", f"the {shown(label)} is not valid base64", begin)
        return Block(label, begin, b"", problem=problem)
    head = b"\n".join(headers)
    if head and not head.startswith(b"Proc-Type:"):
        problem = Problem("bad-base64", f"the {shown(label)} has headers that OpenSSL does not support", begin)
        return Block(label, begin, b"", head, problem)
    return Block(label, begin, binascii.a2b_base64(text), head)


@bounded(1024, 8_000_000)
def _read(
    data: bytes, skips_bom: bool
) -> tuple[tuple[Certificate, ...], tuple[int, ...], tuple[Block, ...], tuple[Problem, ...], bool]:
    if len(data) > TOO_BIG:
        text = f"the file has {len(data) // 1048576} MB; nginxtls reads at most {TOO_BIG // 1048576} MB"
        return (), (), (), (Problem("too-big", text),), True
    blocks: list[Block] = []
    problems: list[Problem] = []
    certificates: list[Certificate] = []
    lines: list[int] = []
    fatal = False
    for block in read_blocks(data, skips_bom=skips_bom):
        blocks.append(block)
        if block.problem:
            fatal = True
            problems.append(block.problem)
        elif block.label == _TRUSTED and certificates:
            text = "nginx skips a TRUSTED CERTIFICATE after the first certificate"
            problems.append(Problem("trusted-certificate", text, block.line))
        elif block.label in _CERTIFICATES or block.label == _TRUSTED:
            if block.label == _TRUSTED:
                problems.append(
                    Problem("trusted-certificate", "TRUSTED CERTIFICATE is an OpenSSL-specific format", block.line)
                )
            try:
                certificates.append(certificate(block.data))
                lines.append(block.line)
            except DerError as error:
                fatal = True
                text = f"the {shown(block.label)} is damaged: {error}"
                problems.append(Problem("not-a-certificate", text, block.line))
                break
        elif is_key(block.label):
            problems.append(Problem("key-in-file", "the certificate file contains a private key", block.line))
    if not skips_bom and (mark := re.search(BOM + b"-----BEGIN ", data)):
        text = "a byte order mark hides a block from OpenSSL 1.1.1"
        problems.append(Problem("bom", text, data.count(b"\n", 0, mark.start()) + 1))
    if not certificates and not fatal:
        fatal = True
        problems = [_what_instead(data, blocks)]
    return tuple(certificates), tuple(lines), tuple(blocks), tuple(problems), not fatal


def _what_instead(data: bytes, blocks: list[Block]) -> Problem:
    """The problem that describes a file without a certificate."""
    start = data.lstrip()[:256].lower()
    if not data.strip():
        return Problem("empty", "the file is empty")
    if any(is_key(block.label) for block in blocks):
        return Problem("key-only", "the file contains a private key but no certificate", blocks[0].line)
    if blocks:
        return Problem("not-pem", f"the file contains a {shown(blocks[0].label)} but no certificate", blocks[0].line)
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return Problem("html", "the file is a web page, perhaps from a failed download")
    if data[:1] == b"\x30":
        try:
            certificate(data)
            return Problem(
                "der",
                "the certificate is in DER format, but nginx reads only PEM; convert it with "
                "`openssl x509 -inform DER -in IN -out OUT`",
            )
        except DerError:
            pass
        if is_pkcs12(data):
            text = (
                "the file is in PKCS #12 format, but nginx reads only PEM; convert it with "
                "`openssl pkcs12 -in IN -out OUT -nodes`"
            )
            return Problem("pkcs12", text)
        return Problem("der", "the file is in DER format and is not a certificate; nginx reads only PEM")
    if unseen := why_unseen(data):
        return unseen
    if link := _LINK_TEXT.fullmatch(data):
        target = link[1].decode()
        return Problem(
            "not-pem",
            f"the file is not PEM: it holds only a path, {target}, as a symbolic link that was copied as a file",
        )
    return Problem("not-pem", "the file is not PEM: it has no BEGIN line")


_LINK_TEXT = re.compile(rb"((?:\.{0,2}/)?[\w.-]+(?:/[\w.-]+)*\.(?:pem|crt|cer|key))\s*")
"""The target of a link to a certificate: what git writes where links are off, and copies that know no links."""


def is_pkcs12(data: bytes) -> bool:
    """Whether it is a PFX: a sequence with an early object identifier of PKCS #7 (RFC 7292 section 4)."""
    return data[:1] == b"\x30" and b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07" in data[:64]


def read_bundle(data: bytes, name: str, *, skips_bom: bool = True) -> Bundle:
    """Read a file of certificates as nginx does; ``name`` is its name in messages. Never raises.

    ``skips_bom``: see ``read_blocks``. Where a mark hides a block, a problem of the kind ``bom`` reports it.
    """
    certificates, lines, blocks, problems, loads = _read(data, skips_bom)
    return Bundle(name, certificates, lines, blocks, problems, loads)
