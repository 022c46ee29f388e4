"""Templates: their text is masked, never rendered, so that what is nginx in them can be parsed at its true place.

Each engine is a module that finds its tags and says what each is (``Tag``); ``masking`` does the rest for all of them.
"""

from nginxtls.syntax.templates.masking import mask

__all__ = ["mask"]
