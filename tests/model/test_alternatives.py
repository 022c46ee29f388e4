"""The builds of nginx in question: those in which something is so, in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nginxtls.model import Configuration
from nginxtls.model.alternatives import Alternatives
from nginxtls.model.builds import Build
from nginxtls.syntax import Tree, parse_text


@pytest.mark.parametrize(
    ("having", "said"),
    [
        (lambda build: build.openssl.generation in ("3.0", "3.2"), "OpenSSL 3.0 to 3.2"),
        (lambda build: build.openssl.generation == "3.0", "OpenSSL 3.0"),
        (lambda build: build.openssl.generation == "1.1.1", "OpenSSL 1.1.1"),
        (lambda build: build.openssl.version >= (3, 2), "OpenSSL 3.2 and newer"),
        (lambda build: build.nginx.at_least(1, 26), "nginx 1.26.3 and newer"),
        (lambda build: build.openssl.distribution == "redhat", "OpenSSL 1.1.1 on RHEL 8"),
        (lambda build: build.openssl.distribution != "redhat", "OpenSSL 1.1.1 to 3.6 except on RHEL 8"),
        (
            lambda build: build.openssl.version < (3, 5) and build.openssl.distribution != "redhat",
            "OpenSSL 3.2 and older except on RHEL 8",
        ),
        (
            lambda build: build.openssl.version >= (3, 5) or build.openssl.distribution == "redhat",
            "OpenSSL 3.5 and newer, or OpenSSL 1.1.1 on RHEL 8",
        ),
        (lambda build: build.nginx.at_least(1, 26) and not build.nginx.at_least(1, 29), "nginx 1.26.3 to 1.28.3"),
    ],
)
def test_a_part_of_the_builds(having: Callable[[Build], bool], said: str) -> None:
    file = parse_text("events {} http { server { listen 443 ssl; } }")
    alternatives = Alternatives(Configuration(Tree([file], [file])))
    numbers = [number for number, build in enumerate(alternatives.builds) if having(build)]
    assert alternatives.part(numbers, range(len(alternatives.builds))) == said


@pytest.mark.parametrize(
    ("text", "oldest"),
    [
        ("http { server { listen 443 ssl; } }", "1.18.0"),
        ("http { server { listen 443 ssl; ssl_reject_handshake on; } }", "1.20.1"),
        ("http { server { listen 443 quic; } }", "1.26.3"),
        ("stream { server { listen 443 ssl default_server; } }", "1.26.3"),
        ("stream { server { listen 443 ssl; ssl_reject_handshake on; } }", "1.26.3"),
        ("http { server { listen 80; server_name a; } } stream { server { listen 443; server_name b; } }", "1.26.3"),
        ("http { server { listen 80; server_name a; } } stream { server { listen 443; } }", "1.18.0"),
    ],
)
def test_builds_that_refuse_the_configuration_are_not_in_question(text: str, oldest: str) -> None:
    """By the module that a directive is in, and by the parameters of ``listen``."""
    file = parse_text(f"events {{}} {text}")
    assert str(Alternatives(Configuration(Tree([file], [file]))).oldest) == oldest
