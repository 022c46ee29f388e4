"""The options that several commands share."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from nginxtls.cli import completion

Paths = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads the annotation while running, on Python 3.10, too
    typer.Argument(
        metavar="[PATH]...",
        help="Files, folders, dumps of nginx -T, or - for standard input. "
        "Default: the folders of nginx in --root, else on this machine, else .",
        show_default=False,
    ),
]
NginxVersion = Annotated[
    str,
    typer.Option(
        "--nginx-version",
        metavar="VERSION",
        help="The nginx version to assume: 1.26.3, a package's 1.22.1-9+deb12u11, or auto.",
        show_default=False,
    ),
]
OpenSSLVersion = Annotated[
    str,
    typer.Option(
        "--openssl-version",
        metavar="VERSION",
        help="The OpenSSL version to assume: 3.5.1, or auto.",
        show_default=False,
    ),
]
OpenSSLConf = Annotated[
    str, typer.Option("--openssl-conf", metavar="FILE", help="The openssl.cnf of the server.", show_default=False)
]
Root = Annotated[
    str,
    typer.Option(
        "--root",
        metavar="DIR",
        help="The root of the server's file system, such as a mounted image.",
        show_default=False,
    ),
]
Map = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--map",
        metavar="THERE=HERE",
        help="Map a path of the server to a local one: /etc/nginx=deploy.",
        show_default=False,
    ),
]
Trust = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--trust", metavar="FILE", help="A PEM file with more trust anchors, system, or none.", show_default=False
    ),
]
At = Annotated[
    str,
    typer.Option(
        "--at", metavar="DATE", help="Check certificates as of this date (00:00 UTC) or time.", show_default=False
    ),
]
TextOrJSON = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="FORMAT",
        autocompletion=completion.among("text", "json"),
        help="Output format: text or json.",
    ),
]
Config = Annotated[str, typer.Option("--config", metavar="FILE", help="The settings file.", show_default=False)]
NoConfig = Annotated[bool, typer.Option("--no-config", help="Do not read a settings file.")]
