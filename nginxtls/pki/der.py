"""A reader of DER that takes what OpenSSL takes and refuses the rest with one error, without ever recursing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache

# ITU-T X.680, clause 8.4: the universal tags used here.
BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID = 0x01, 0x02, 0x03, 0x04, 0x06
UTC_TIME, GENERALIZED_TIME, SEQUENCE, SET = 0x17, 0x18, 0x30, 0x31


class DerError(ValueError):
    """The bytes are not the DER that was expected."""


def element(data: bytes, at: int = 0) -> tuple[int, int, int]:
    """The tag, start and end of the contents of the element at a position.

    Raises:
        DerError: it does not fit, has a long tag or an indefinite length.
    """
    try:
        tag, length = data[at], data[at + 1]
        start = at + 2
        if length & 0x80:
            size = length & 0x7F
            if not 0 < size <= 4:
                raise DerError("a length that DER does not have")
            length = int.from_bytes(data[start : start + size], "big")
            start += size
    except IndexError:
        raise DerError("it ends too early") from None
    if start + length > len(data):
        raise DerError("it ends too early")
    if tag & 0x1F == 0x1F:
        raise DerError("a tag that no certificate has")
    return tag, start, start + length


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and contents of each element, in order."""
    at = 0
    while at < len(data):
        tag, start, at = element(data, at)
        yield tag, data[start:at]


def contents(data: bytes, tag: int) -> bytes:
    """The contents of the single element that data is; it must have this tag and fill data."""
    found, start, end = element(data)
    if found != tag or end != len(data):
        raise DerError("another element than expected")
    return data[start:end]


def integer(value: bytes) -> int:
    if not value:
        raise DerError("a number without digits")
    return int.from_bytes(value, "big", signed=True)


@lru_cache(1024)
def oid(value: bytes) -> str:
    """Dotted numbers of an object identifier's contents."""
    if not value or value[-1] & 0x80:
        raise DerError("an object identifier that breaks off")
    numbers: list[int] = []
    number = 0
    for byte in value:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(str(each) for each in (first, numbers[0] - 40 * first, *numbers[1:]))


def bits(value: bytes) -> frozenset[int]:
    """The numbers of the bits that are set in a BIT STRING's contents."""
    if not value or value[0] > 7:
        raise DerError("a bit string without its header")
    return frozenset(
        index * 8 + bit for index, byte in enumerate(value[1:]) for bit in range(8) if byte & (0x80 >> bit)
    )


def time(tag: int, value: bytes) -> datetime:
    """A UTCTime or GeneralizedTime; like OpenSSL also without seconds and with an offset.

    Raises:
        DerError: it is no date.
    """
    text = value.decode("ascii", "replace")
    offset = timedelta()
    if text[-5:-4] in {"+", "-"} and text[-4:].isdigit():
        offset = timedelta(hours=int(text[-4:-2]), minutes=int(text[-2:])) * (-1 if text[-5] == "-" else 1)
        text = text[:-5]
    elif text.endswith("Z"):
        text = text[:-1]
    else:
        raise DerError("a time without its zone")
    if tag == UTC_TIME:
        # RFC 5280 section 4.1.2.5.1: two digits of a year mean 1950 to 2049.
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != GENERALIZED_TIME:
        raise DerError("no time")
    digits, _, fraction = text.partition(".")
    if not digits.isascii() or not digits.isdigit() or len(digits) not in {12, 14}:
        raise DerError("a time that is no date")
    digits = digits.ljust(14, "0")
    if digits.startswith("0000"):
        # There is no such year here, and to OpenSSL it is as good as any before now.
        return datetime.min.replace(tzinfo=timezone.utc)
    try:
        when = datetime(*(int(digits[a:b]) for a, b in _FIELDS), tzinfo=timezone.utc)  # type: ignore[misc, arg-type]
        if fraction:
            when += timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
        return when - offset
    except (ValueError, OverflowError):
        raise DerError("a time that is no date") from None


_FIELDS = ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))
