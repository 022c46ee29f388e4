"""Rules about suppression comments; the linter finds their faults, because it knows which findings they suppress."""

from __future__ import annotations

from nginxtls.rule import Rule, Severity


class UnknownSuppression(Rule):
    """A suppression comment names a rule that does not exist, so it suppresses nothing.

    The name is misspelled, the rule was renamed, or it belongs to a plugin that is not installed. The finding that the
    comment was meant to suppress is still reported.

    Clients: no difference; the finding that was to be suppressed is still reported.

    Fix: use a name from `nginxtls rules`, or remove the comment.

    ```nginx bad
    ssl_protocols TLSv1.2 TLSv1.3; # nginxtls: ignore[legacy-protocls]
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING


class UnusedSuppression(Rule):
    """A suppression comment names a rule that reports nothing at this place.

    Either the fault was fixed, or the comment is in the wrong place. It belongs at the end of the directive's line,
    alone on the line above it, or on the opening line of a block, where it applies to the whole block; `ignore-file`
    belongs above the first directive. An unused comment suppresses the next fault of the same kind.

    If something could not be checked, such as a missing certificate, nothing is reported: the comment may be needed
    where the file exists.

    Clients: no difference; a new fault of the kind would be hidden from the report.

    Fix: remove the comment.

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
