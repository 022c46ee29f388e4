"""Completion: TLS directives that the block may have, and values that the version of nginx and OpenSSL knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types as lsp

from nginxtls.base.lazy import NamedTuple, pattern
from nginxtls.lsp.context import MODULES, blocks_around
from nginxtls.model.directive_table import by_name, entries
from nginxtls.model.effective import VERSIONS
from nginxtls.model.versions import NginxVersion
from nginxtls.syntax.parser import parse_text
from nginxtls.tls.ciphers import cipher_words
from nginxtls.tls.groups import group_names
from nginxtls.tls.suites import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nginxtls.lsp.places import Places
    from nginxtls.model import Configuration
    from nginxtls.model.directive_table import Entry
    from nginxtls.syntax.tree import Directive, SourceFile

PARAMETERS = (
    # of listen: parameter, nginx that has it first
    ("ssl", "0.7.14"),
    ("default_server", "0.8.21"),
    ("quic", "1.25.0"),
    ("http2", "1.9.5"),
    ("proxy_protocol", "1.5.12"),
    ("reuseport", "1.9.1"),
    ("ipv6only=on", "0.7.42"),
)
COMMANDS = (
    "CipherString Ciphersuites Curves DHParameters Groups MaxProtocol MinProtocol Options Protocol SignatureAlgorithms "
    "ClientSignatureAlgorithms VerifyMode NumTickets RecordPadding"
).split()
"""The commands of ``ssl_conf_command`` that are modelled (SSL_CONF_cmd(3))."""
_CHOICE = pattern(r"[a-z][a-z0-9_.-]*\Z")
_SEPARATED = ":"


class _Typed(NamedTuple):
    """The statement before the cursor: its directive, the finished arguments, and the word that is being typed."""

    name: str
    args: tuple[str, ...]
    word: str
    parent: Directive | None


def completions(
    configuration: Configuration, file: SourceFile, offset: int, places: Places
) -> list[lsp.CompletionItem]:
    """What is allowed at an offset of a file's text."""
    typed = _typed(file, offset)
    if typed is None:
        return []
    if not typed.name:
        around = blocks_around(configuration, file, None)
        inner: list[str] = []
        block = typed.parent
        while block is not None:
            inner.insert(0, block.name)
            block = block.parent
        items = _directives((*around, *inner), configuration)
        word = typed.word
    else:
        items, word = _values(typed, configuration)
    spot = places.between(file, offset - len(word), offset)
    for item in items:
        item.text_edit = lsp.TextEdit(spot, item.label)
    return items


def _typed(file: SourceFile, offset: int) -> _Typed | None:
    """What is before the cursor; None in a comment or a quoted word."""
    before = parse_text(file.masked[:offset])
    if any(comment.end >= offset > comment.start for comment in before.comments[-1:]):
        return None
    text = before.masked
    last = max(before.walk(), key=lambda directive: directive.start, default=None)
    ended = text.rstrip()[-1:] in (";", "{", "}", "")
    if last is not None and not ended:
        words = last.words
        start, end = words[-1]
        if text[start] in "\"'":
            return None
        if end == len(text):
            *others, word = (text[left:right] for left, right in words)
            return (
                _Typed(others[0], tuple(others[1:]), word, last.parent) if others else _Typed("", (), word, last.parent)
            )
        return _Typed(last.name, last.args, "", last.parent)
    open_block = last
    while open_block is not None and not (open_block.block is not None and open_block.end >= len(text.rstrip())):
        open_block = open_block.parent
    if open_block is not None and _is_closed(before, open_block):
        open_block = open_block.parent
    return _Typed("", (), "", open_block)


def _is_closed(file: SourceFile, block: Directive) -> bool:
    """Whether the closing brace of a block is written: the parser completes those that are missing."""
    return file.masked[block.end - 1 : block.end] == "}"


# -- directives --------------------------------------------------------------------------------------------------------


def _directives(blocks: tuple[str, ...], configuration: Configuration) -> list[lsp.CompletionItem]:
    module = next((name for name in blocks if name in MODULES), None)
    level = blocks[-1] if blocks else None
    if level in ("if", "limit_except") and "location" in blocks:
        level = "location"
    nginx = configuration.facts.nginx
    found: dict[str, Entry] = {}
    for entry in entries():
        if level is not None and level not in entry.contexts:
            continue
        if module is not None and entry.family in MODULES and entry.family != module:
            continue
        if nginx is not None and (entry.source == "plus" or (entry.since is not None and entry.since > nginx)):
            continue
        found.setdefault(entry.directive, entry)
    return [
        lsp.CompletionItem(
            label=name,
            kind=lsp.CompletionItemKind.Property,
            detail=entry.syntax,
            documentation=f"default {entry.default}" if entry.default is not None else None,
        )
        for name, entry in found.items()
    ]


# -- values ------------------------------------------------------------------------------------------------------------


def _values(typed: _Typed, configuration: Configuration) -> tuple[list[lsp.CompletionItem], str]:
    """The values that fit, and the part of the word that they replace."""
    name, first = typed.name, not typed.args
    openssl = configuration.facts.openssl
    if name.endswith("_ciphers") or name == "ssl_ciphers":
        return (_ciphers(configuration), _last(typed.word, "!+-")) if first else ([], "")
    if name == "ssl_ecdh_curve":
        return (_items(("auto", *group_names(openssl)), typed.word, "group"), _last(typed.word)) if first else ([], "")
    if name.endswith("ssl_conf_command"):
        return _of_command(typed, configuration)
    if name == "listen":
        return ([] if first else _items(_parameters(configuration), "", "parameter")), typed.word
    if name.endswith("ssl_protocols"):
        named = {*typed.args}
        return _items(
            (version for version in _protocols(configuration) if version not in named), "", "protocol"
        ), typed.word
    return (_items(_choices(name), "", "value"), typed.word) if first else ([], "")


def _of_command(typed: _Typed, configuration: Configuration) -> tuple[list[lsp.CompletionItem], str]:
    openssl = configuration.facts.openssl
    if not typed.args:
        return _items(COMMANDS, "", "command"), typed.word
    match typed.args[0].lower():
        case "ciphersuites":
            suites = (suite for suite in compiled(openssl.builds) if suite.protocol == "TLSv1.3")
            return _items((suite.iana for suite in suites), typed.word, "suite"), _last(typed.word)
        case "cipherstring":
            return _ciphers(configuration), _last(typed.word, "!+-")
        case "groups" | "curves":
            return _items(group_names(openssl), typed.word, "group"), _last(typed.word)
        case "minprotocol" | "maxprotocol":
            return _items(_protocols(configuration), "", "protocol"), typed.word
        case _:
            return [], ""


def _ciphers(configuration: Configuration) -> list[lsp.CompletionItem]:
    openssl = configuration.facts.openssl
    suites = [suite for suite in compiled(openssl.builds) if suite.protocol != "TLSv1.3"]
    suites.sort(key=lambda suite: (not suite.forward_secrecy, not suite.aead, suite.name))
    # Sorted as the list is: what to use comes first.
    items = [
        lsp.CompletionItem(
            label=suite.name,
            kind=lsp.CompletionItemKind.EnumMember,
            detail=suite.iana,
            sort_text=f"{number:04}",
            deprecated=not suite.forward_secrecy or None,
        )
        for number, suite in enumerate(suites)
    ]
    return [*items, *_items(cipher_words(openssl), "", "cipher word")]


def _parameters(configuration: Configuration) -> Iterator[str]:
    nginx = configuration.facts.assumed_nginx
    return (name for name, since in PARAMETERS if NginxVersion.parse(since) <= nginx)


def _protocols(configuration: Configuration) -> tuple[str, ...]:
    """The versions that the build knows: TLS 1.3 since OpenSSL 1.1.1 and nginx 1.13.0."""
    facts = configuration.facts
    modern = facts.openssl.version >= (1, 1, 1) and facts.assumed_nginx.at_least(1, 13, 0)
    return VERSIONS if modern else VERSIONS[:-1]


def _choices(name: str) -> Iterator[str]:
    """The words of a directive's syntax that can be written as they are: ``on | off | optional``."""
    found = (
        word.strip() for entry in by_name().get(name, ()) for word in entry.syntax.split("|") if "|" in entry.syntax
    )
    return (word for word in dict.fromkeys(found) if _CHOICE.match(word))


def _last(word: str, signs: str = "") -> str:
    """What of a list with colons is being typed, without its sign."""
    return word.rpartition(_SEPARATED)[2].lstrip(signs)


def _items(labels: Iterable[str], word: str, detail: str) -> list[lsp.CompletionItem]:
    """Items for labels in their order, but those that the list of the word has already."""
    used = {*word.split(_SEPARATED)[:-1]}
    return [
        lsp.CompletionItem(label=label, kind=lsp.CompletionItemKind.EnumMember, detail=detail, sort_text=f"{number:04}")
        for number, label in enumerate(dict.fromkeys(labels))
        if label not in used
    ]
