"""PEM as OpenSSL reads it, line by line, and the bundle of certificates that nginx makes of a file.

After `PEM_read_bio_ex` and `EVP_DecodeBlock` of OpenSSL 3 (crypto/pem/pem_lib.c, crypto/evp/encode.c) and
`ngx_ssl_load_certificate` of nginx (src/event/ngx_event_openssl.c).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from nginxtls.pki.certificate import Certificate, certificate
from nginxtls.pki.damage import BOM, Problem, what_happened, why_unseen
from nginxtls.pki.der import DerError
from nginxtls.pki.names import printable

#: The largest file that is read, in bytes; nginx has no such limit, but no chain comes near it.
TOO_BIG = 16 * 1024 * 1024
_LINE = 254
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_CERTIFICATES = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})
_TRUSTED = "TRUSTED CERTIFICATE"


@dataclass(frozen=True, slots=True)
class Block:
    """A PEM block: its label, the line of its BEGIN (from 1), its headers and, unless broken, its contents."""

    label: str
    line: int
    data: bytes
    headers: bytes = b""
    problem: Problem | None = None

    def __repr__(self) -> str:
        return f"<{printable(self.label)} at line {self.line}>"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A file of certificates as nginx reads it for `ssl_certificate`: the first is the leaf, the others its chain."""

    name: str
    certificates: tuple[Certificate, ...]
    #: The line of each certificate, from 1.
    lines: tuple[int, ...]
    blocks: tuple[Block, ...]
    problems: tuple[Problem, ...]
    #: nginx would load it.
    loads: bool

    @property
    def leaf(self) -> Certificate | None:
        return self.certificates[0] if self.certificates else None

    @property
    def key_lines(self) -> tuple[int, ...]:
        """The lines at which private keys begin."""
        return tuple(block.line for block in self.blocks if is_key(block.label))


def is_key(label: str) -> bool:
    return label.endswith("PRIVATE KEY")


_TIDY = re.compile(rb"-----BEGIN ([A-Z0-9 ]{6,40})-----\n((?:[A-Za-z0-9+/=]{1,64}\n)+)-----END \1-----\n")


def read_blocks(data: bytes, *, skips_bom: bool = True) -> Iterator[Block]:
    """Each PEM block up to the first that is broken, which comes with its problem: OpenSSL reads no further.

    ``skips_bom``: a byte order mark at the beginning of a read is skipped, as OpenSSL does since 3.0; 1.1.1 does not
    see the block after it (measured).
    """
    for block in _read_blocks(data, skips_bom):
        if block.problem and block.problem.kind in ("bad-base64", "truncated"):
            damage = what_happened(data, block.line)
            if damage is not None:
                text = f"the {printable(block.label)} is damaged: {damage.message}"
                block = replace(block, problem=replace(damage, message=text))
        yield block


def _read_blocks(data: bytes, skips_bom: bool) -> Iterator[Block]:
    tidy = list(_TIDY.finditer(data))
    if data and b"".join(match[0] for match in tidy) == data:  # as programs write it: nothing else stands there
        for match in tidy:
            block = _decode(match[1].decode(), data.count(b"\n", 0, match.start()) + 1, [], [match[2]])
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
    """Lines without trailing blanks, numbered from 1; those too long for OpenSSL's buffer come in pieces."""
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
    shown = printable(label)
    for number, line in lines:
        if state == "maybe header" and b":" in line:
            state = "header"
        if not line:
            if state == "body":
                return Block(label, begin, b"", problem=Problem("bad-base64", f"an empty line in the {shown}", number))
            headers, body, state, blank = body, [], "body", number
        elif line.startswith(b"-----END "):
            if line[9:] != label.encode("latin-1") + b"-----":
                if b"-----BEGIN " in line:
                    text = f"the END of the {shown} and the next BEGIN stand on one line"
                    return Block(label, begin, b"", problem=Problem("glued", text, number))
                text = f"the {shown} ends with another name"
                return Block(label, begin, b"", problem=Problem("truncated", text, number))
            if headers and not headers[0].startswith(b"Proc-Type:") and not any(b":" in line for line in headers):
                # What is before an empty line are headers.
                return Block(label, begin, b"", problem=Problem("bad-base64", f"an empty line in the {shown}", blank))
            return _open_ended(_decode(label, begin, headers, body), body)
        elif state == "body" and len(line) > 64:
            text = f"a line of more than 64 characters in the {shown}"
            return Block(label, begin, b"", problem=Problem("bad-base64", text, number))
        else:
            body.append(line)
    return Block(label, begin, b"", problem=Problem("truncated", f"the {shown} has no END", begin))


def _open_ended(block: Block, body: list[bytes]) -> Block:
    """A block that goes on over another BEGIN: OpenSSL decodes what precedes it, if that is whole (measured)."""
    if block.problem and any(line.startswith(b"-----BEGIN ") for line in body):
        text = f"the {printable(block.label)} has no END before the next BEGIN"
        return replace(block, problem=Problem("truncated", text, block.line))
    return block


def _decode(label: str, begin: int, headers: list[bytes], body: list[bytes]) -> Block:
    text = b"".join(b"".join(body).split())
    # OpenSSL takes a minus for the end of what is encoded.
    text = text.partition(b"-")[0]
    if not text or len(text) % 4 or not _BASE64.fullmatch(text):
        problem = Problem("bad-base64", f"the {printable(label)} is not base64", begin)
        return Block(label, begin, b"", problem=problem)
    head = b"\n".join(headers)
    if head and not head.startswith(b"Proc-Type:"):
        problem = Problem("bad-base64", f"the {printable(label)} has headers that OpenSSL does not know", begin)
        return Block(label, begin, b"", head, problem)
    return Block(label, begin, binascii.a2b_base64(text), head)


@lru_cache(4096)
def _read(
    data: bytes, skips_bom: bool
) -> tuple[tuple[Certificate, ...], tuple[int, ...], tuple[Block, ...], tuple[Problem, ...], bool]:
    if len(data) > TOO_BIG:
        text = f"{len(data) // 1048576} MB, more than the {TOO_BIG // 1048576} MB that are read here"
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
            text = "a TRUSTED CERTIFICATE after the first certificate, which nginx skips"
            problems.append(Problem("trusted-certificate", text, block.line))
        elif block.label in _CERTIFICATES or block.label == _TRUSTED:
            if block.label == _TRUSTED:
                problems.append(Problem("trusted-certificate", "a TRUSTED CERTIFICATE, OpenSSL's own form", block.line))
            try:
                certificates.append(certificate(block.data))
                lines.append(block.line)
            except DerError as error:
                fatal = True
                text = f"the {block.label} is damaged: {error}"
                problems.append(Problem("not-a-certificate", text, block.line))
                break
        elif is_key(block.label):
            problems.append(Problem("key-in-file", "a private key in the file of certificates", block.line))
    if not skips_bom and (mark := re.search(BOM + b"-----BEGIN ", data)):
        text = "a byte order mark hides a block from OpenSSL 1.1.1"
        problems.append(Problem("bom", text, data.count(b"\n", 0, mark.start()) + 1))
    if not certificates and not fatal:
        fatal = True
        problems = [_what_instead(data, blocks)]
    return tuple(certificates), tuple(lines), tuple(blocks), tuple(problems), not fatal


def _what_instead(data: bytes, blocks: list[Block]) -> Problem:
    """What a file without a certificate is."""
    start = data.lstrip()[:256].lower()
    if not data.strip():
        return Problem("empty", "empty: there is no certificate in it")
    if any(is_key(block.label) for block in blocks):
        return Problem("key-only", "a private key, and no certificate", blocks[0].line)
    if blocks:
        return Problem("not-pem", f"a {printable(blocks[0].label)}, and no certificate", blocks[0].line)
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return Problem("html", "a web page, and no certificate: perhaps what a failed download left")
    if data[:1] == b"\x30":
        try:
            certificate(data)
            return Problem(
                "der", "a certificate in DER; nginx reads only PEM: openssl x509 -inform DER -in IN -out OUT"
            )
        except DerError:
            pass
        if is_pkcs12(data):
            text = "PKCS #12; nginx reads only PEM: openssl pkcs12 -in IN -out OUT -nodes"
            return Problem("pkcs12", text)
        return Problem("der", "DER, and not a certificate; nginx reads only PEM")
    return why_unseen(data) or Problem("not-pem", "no PEM: there is no BEGIN line in it")


def is_pkcs12(data: bytes) -> bool:
    """A PFX: a sequence that soon has an object identifier of PKCS #7 (RFC 7292 section 4)."""
    return data[:1] == b"\x30" and b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07" in data[:64]


def read_bundle(data: bytes, name: str, *, skips_bom: bool = True) -> Bundle:
    """Read a file of certificates as nginx does; ``name`` is what messages call it. Never raises.

    ``skips_bom``: see ``read_blocks``. Where a mark hides a block, a problem of the kind ``bom`` says so.
    """
    certificates, lines, blocks, problems, loads = _read(data, skips_bom)
    return Bundle(name, certificates, lines, blocks, problems, loads)
