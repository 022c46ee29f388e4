"""``nginxtls explain RULE``: the documentation of a rule."""

from __future__ import annotations

from typing import Annotated

import typer


def explain(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The rule's name, e.g. missing-intermediate.")],
) -> None:
    """Explain a rule: what is wrong, why it matters, how to mend it."""
    import sys

    from nginxtls.registry import find_rule, installed_rules
    from nginxtls.rulebook import page

    text = page(find_rule(installed_rules(), rule))
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        print(text, end="")
