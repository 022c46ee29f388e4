"""Rules about the comments that silence rules; the linter finds the faults, for it knows what they were good for."""

from __future__ import annotations

from nginxtls.rule import Rule, Severity


class UnknownSuppression(Rule):
    """A comment asks to ignore a rule that does not exist, so it ignores nothing.

    The name is misspelt, or the rule was renamed or belongs to a plugin that is not installed. The finding that it was
    meant for is told all the same.

    Mend: write the name as `nginxtls rules` lists it, or remove the comment.

    ```nginx bad
    ssl_protocols TLSv1.2 TLSv1.3; # nginxtls: ignore[legacy-protocls]
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING


class UnusedSuppression(Rule):
    """A comment ignores a rule at a place where that rule finds nothing.

    The fault is mended or the comment stands in the wrong place: it belongs at the end of the directive's line, alone
    above it, or on the opening line of a block, for all that is in the block; `ignore-file` belongs above the first
    directive. A comment that stays behind hides the next fault of that kind.

    Not told where something could not be looked at, such as a certificate that is not there: the comment may be of
    use where it is.

    Mend: remove the comment.

    ```nginx bad, kind: server
    server {
        listen 443 ssl;
        server_name shop.example.com; # nginxtls: ignore[unknown-suppression]
    }
    ```

    ```nginx good, kind: server
    server {
        listen 443 ssl;
        server_name shop.example.com;
    }
    ```
    """

    severity = Severity.NOTE
