"""Mutations of bytes, of directives and of DER; the same random numbers make the same input."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

MOST = 100_000
"""No input is longer, in bytes."""

WORDS = tuple(
    line.encode().decode("unicode_escape").encode("latin-1")
    for line in (Path(__file__).parent / "words.txt").read_text().splitlines()
)
"""What a mutation puts in: the lines of a file, with the escapes of Python."""


def mutated(random: Random, seeds: Sequence[bytes], *, words: Sequence[bytes] = WORDS) -> bytes:
    """A seed, or a piece of two, with a few changes."""
    data = random.choice(seeds)
    for _ in range(random.choice((1, 1, 2, 3, 5, 8))):
        data = random.choice(_CHANGES)(random, data, seeds, words)
    return data[:MOST]


def spliced(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Directives and blocks of several configurations, nested and put side by side."""
    parts = [random.choice(_pieces(random.choice(seeds))) for _ in range(random.choice((2, 4, 8, 16)))]
    text = b""
    for part in parts:
        way = random.randrange(6)
        if way == 0 and text:
            name = random.choice((b"http", b"server", b"location /", b"stream", b"mail", b"if ($host)", b"upstream u"))
            text = name + b" {\n" + text + b"}\n" + part + b"\n"
        elif way == 1 and (at := text.rfind(b"}")) > 0:
            text = text[:at] + part + b"\n" + text[at:]
        else:
            text += part + b"\n"
    if random.random() < 0.5:
        text = b"events {}\nhttp {\n" + text + b"}\n"
    return text[:MOST]


def damaged(random: Random, ders: Sequence[bytes], labels: Sequence[bytes]) -> bytes:
    """A PEM file of structures in DER, some elements of which are changed, moved, doubled or of another length."""
    blocks = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        data = random.choice(ders)
        for _ in range(random.choice((0, 1, 1, 2, 4))):
            data = _damage(random, data, ders)
        label = random.choice(labels)
        width = random.choice((64, 64, 64, 76, 10**6))
        text = base64.b64encode(data)
        lines = [text[at : at + width] for at in range(0, len(text), width)]
        blocks.append(b"\n".join((b"-----BEGIN " + label + b"-----", *lines, b"-----END " + label + b"-----", b"")))
    return b"".join(blocks)[:MOST]


def _pieces(text: bytes) -> list[bytes]:
    """Statements and balanced blocks of a configuration."""
    pieces, start, depth = [], 0, 0
    for mark in re.finditer(rb"[;{}]", text):
        if mark.group() == b"{":
            depth += 1
        elif mark.group() == b"}":
            depth = max(depth - 1, 0)
        if mark.group() != b"{":
            pieces.append(text[start : mark.end()])
            if depth == 0 or mark.group() == b";":
                start = mark.end()
    return pieces or [text]


def _damage(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    places = list(_elements(data))
    if not places or random.random() < 0.1:
        return _flip(random, data, others, ())
    head, body, end = random.choice(places)
    way = random.randrange(7)
    if way == 0:  # another tag
        return data[:head] + bytes((random.randrange(256),)) + data[head + 1 :]
    if way == 1:  # another length
        return data[: head + 1] + bytes((random.choice((0, 1, 127, 128, 129, 132, 255)),)) + data[head + 2 :]
    if way == 2:  # another element in its place
        other = random.choice(others)
        spots = list(_elements(other)) or [(0, 0, len(other))]
        first, _, last = random.choice(spots)
        return data[:head] + other[first:last] + data[end:]
    if way == 3:  # twice
        return data[:end] + data[head:end] * random.choice((1, 2, 50)) + data[end:]
    if way == 4:
        return data[:head] + data[end:]
    if way == 5:  # another content of the same length
        return data[:body] + random.choice((bytes, random.randbytes))(end - body) + data[end:]
    content = random.choice(
        (b"", b"\0", b"\xff" * 8, b"*." * 20, b"a" * 300, b"\x80", b"99991231235959Z", b"\x02\x01\x00")
    )
    return data[:body] + content + data[end:]


def _elements(data: bytes, start: int = 0, end: int | None = None, depth: int = 0) -> list[tuple[int, int, int]]:
    """The start, content and end of each element, those inside of others, too."""
    found: list[tuple[int, int, int]] = []
    at, end = start, len(data) if end is None else end
    while at + 2 <= end and len(found) < 400:
        length, body = data[at + 1], at + 2
        if length > 128:
            body = at + 2 + length - 128
            length = int.from_bytes(data[at + 2 : body], "big")
        last = body + length
        if last > end or body > end:
            break
        found.append((at, body, last))
        if data[at] & 0x20 and depth < 12:
            found += _elements(data, body, last, depth + 1)
        at = last
    return found


def _flip(random: Random, data: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    if not data:
        return b"\0"
    at = random.randrange(len(data))
    return (
        data[:at]
        + bytes((random.choice((0, 9, 10, 13, 32, 34, 39, 92, 127, 255, random.randrange(256))),))
        + data[at + 1 :]
    )


def _insert(random: Random, data: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = _place(random, data)
    space = random.choice((b"", b"", b" "))
    return data[:at] + space + random.choice(words) + space + data[at:]


def _replace(random: Random, data: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    found = list(re.finditer(rb"[\w.$/:+!@-]+", data[:20_000]))
    if not found:
        return data
    word = random.choice(found)
    return data[: word.start()] + random.choice(words) + data[word.end() :]


def _cut(random: Random, data: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    start, end = sorted((_place(random, data), _place(random, data)))
    return data[:start] + data[min(end, start + random.choice((1, 4, 20, 200, 5000))) :]


def _repeat(random: Random, data: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    start, end = sorted((_place(random, data), _place(random, data)))
    part = data[start : min(end, start + random.choice((1, 5, 30, 300)))]
    return data[:end] + part * random.choice((1, 1, 2, 10, 100)) + data[end:]


def _move(random: Random, data: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    start, end = sorted((_place(random, data), _place(random, data)))
    part, rest = data[start:end], data[:start] + data[end:]
    at = _place(random, rest)
    return rest[:at] + part + rest[at:]


def _cross(random: Random, data: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    other = random.choice(seeds)
    return data[: _place(random, data)] + other[_place(random, other) :]


def _place(random: Random, data: bytes) -> int:
    return random.randrange(len(data) + 1)


_CHANGES = (_flip, _insert, _insert, _replace, _replace, _replace, _cut, _cut, _repeat, _move, _cross)
