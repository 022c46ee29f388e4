"""A non-recursive DER decoder that accepts what OpenSSL accepts and raises one error for everything else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from nginxtls.base.bounded import bounded

# ITU-T X.680, clause 8.4: the universal tags used here.
BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID = 0x01, 0x02, 0x03, 0x04, 0x06
UTC_TIME, GENERALIZED_TIME, SEQUENCE, SET = 0x17, 0x18, 0x30, 0x31


class DerError(ValueError):
    """The data is not valid DER or has another structure than expected."""


def element(data: bytes, at: int = 0) -> tuple[int, int, int]:
    """The tag, start and end of the contents of the element at a position.

    Raises:
        DerError: the data is truncated, or has a long tag or an indefinite length.
    """
    try:
        tag, length = data[at], data[at + 1]
        start = at + 2
        if length & 0x80:
            size = length & 0x7F
            if not 0 < size <= 4:
                raise DerError("invalid length")
            length = int.from_bytes(data[start : start + size], "big")
            start += size
    except IndexError:
        raise DerError("the data is truncated") from None
    if start + length > len(data):
        raise DerError("the data is truncated")
    if tag & 0x1F == 0x1F:
        raise DerError("unsupported tag")
    return tag, start, start + length


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and contents of each element, in order."""
    at = 0
    while at < len(data):
        tag, start, at = element(data, at)
        yield tag, data[start:at]


def contents(data: bytes, tag: int) -> bytes:
    """The contents of the single element in data; it must have this tag and no data after it."""
    found, start, end = element(data)
    if found != tag or end != len(data):
        raise DerError("unexpected element")
    return data[start:end]


def encode(tag: int, value: bytes) -> bytes:
    """An element of DER."""
    size = len(value)
    if size < 128:
        return bytes([tag, size]) + value
    width = (size.bit_length() + 7) // 8
    return bytes([tag, 128 | width]) + size.to_bytes(width, "big") + value


def integer(value: bytes) -> int:
    """A signed integer from its contents."""
    if not value:
        raise DerError("empty integer")
    return int.from_bytes(value, "big", signed=True)


@bounded(1024, 100_000)
def oid(value: bytes) -> str:
    """An object identifier in dotted form, from its contents."""
    if not value or value[-1] & 0x80:
        raise DerError("truncated object identifier")
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
        raise DerError("invalid bit string")
    return frozenset(
        index * 8 + bit for index, byte in enumerate(value[1:]) for bit in range(8) if byte & (0x80 >> bit)
    )


def time(tag: int, value: bytes) -> datetime:
    """A UTCTime or GeneralizedTime in UTC; like OpenSSL, also without seconds and with an offset.

    Raises:
        DerError: it is not a valid date.
    """
    text = value.decode("ascii", "replace")
    offset = timedelta()
    if text[-5:-4] in {"+", "-"} and text[-4:].isdigit():
        offset = timedelta(hours=int(text[-4:-2]), minutes=int(text[-2:])) * (-1 if text[-5] == "-" else 1)
        text = text[:-5]
    elif text.endswith("Z"):
        text = text[:-1]
    else:
        raise DerError("time without a time zone")
    if tag == UTC_TIME:
        # RFC 5280 section 4.1.2.5.1: two digits of a year mean 1950 to 2049.
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != GENERALIZED_TIME:
        raise DerError("not a time")
    digits, _, fraction = text.partition(".")
    if not digits.isascii() or not digits.isdigit() or len(digits) not in {12, 14}:
        raise DerError("invalid date")
    digits = digits.ljust(14, "0")
    if digits.startswith("0000"):
        # Python has no year 0; to OpenSSL it is in the past like any other.
        return datetime.min.replace(tzinfo=timezone.utc)
    try:
        when = datetime(*(int(digits[a:b]) for a, b in _FIELDS), tzinfo=timezone.utc)  # type: ignore[misc, arg-type]
        if fraction:
            when += timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
        return when - offset
    except (ValueError, OverflowError):
        raise DerError("invalid date") from None


_FIELDS = ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))
