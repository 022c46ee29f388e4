"""YAML that somebody else may have written."""

from __future__ import annotations

from typing import Any

from nginxtls.base.secrets import hide_in_data


class NotYamlError(ValueError):
    """A text is not YAML, or has aliases; the message is one line with none of the text.

    Attributes:
        line: where, from 1; 0 if unknown.
    """

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


def read_yaml(text: str) -> Any:
    """The data of a YAML text, its key material hidden. What looks like 1.20 is a text, as versions need no quotes.

    Aliases are refused: a few of them can grow to gigabytes, and a list can be its own item.

    Raises:
        NotYamlError: it cannot be read.
    """
    import yaml

    try:
        if "&" in text and "*" in text:
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                if isinstance(event, yaml.AliasEvent):
                    raise NotYamlError("aliases are not allowed", _line(event.start_mark))
        return hide_in_data(yaml.load(text, Loader=_loader()))
    except NotYamlError:
        raise
    except RecursionError:
        raise NotYamlError("it is nested too deeply", 0) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: the 31st of February, and such
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or ("it cannot be read" if mark else type(error).__name__)
        raise NotYamlError(" ".join(str(reason).split()), _line(mark)) from None


def _line(mark: Any) -> int:
    return mark.line + 1 if mark else 0


def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":float")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader
