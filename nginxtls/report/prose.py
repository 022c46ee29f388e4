"""The documentation of a rule as HTML: Markdown without raw HTML and images, so that nothing of it is loaded or run."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from nginxtls.report.words import encodable, visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_FENCE = re.compile(r"^```nginx (good|bad)([^\n]*)$", re.MULTILINE)
_EXAMPLE = re.compile(r"<p>((Good|Bad)(?: \([^<]*\))?):</p>\n(<pre>.*?</pre>)", re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")


def prose(text: str) -> str:
    """Markdown as HTML; the examples of a rule get a line that says which is which."""
    text = "\n".join(visible(line) for line in encodable(text).split("\n"))
    return _EXAMPLE.sub(_figure, str(_markdown().render(_FENCE.sub(_fence, text))))


def with_code(text: str) -> str:
    """Escaped text of one line with what is between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", text)


def _fence(match: re.Match[str]) -> str:
    options = f" ({match[2].strip(' ,')})" if match[2].strip(" ,") else ""
    return f"{match[1].title()}{options}:\n\n```"


def _figure(match: re.Match[str]) -> str:
    return f'<figure class="{match[2].lower()}"><figcaption>{match[1]}</figcaption>{match[3]}</figure>'


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
