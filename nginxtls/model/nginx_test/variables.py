"""nginx variables: which a configuration can use, as far as that is sure."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from nginxtls.base.data import read_data
from nginxtls.base.lazy import pattern
from nginxtls.model.nginx_test.refusal import refuse
from nginxtls.model.versions import NginxVersion
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.nginx_test.refusal import Refusal
    from nginxtls.syntax.tree import Directive

_USE = pattern(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")
_CAPTURE = pattern(r"\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>")
_OWN_MODULES = frozenset(
    f"ngx_{name}_module.so" for name in ("stream", "mail", "http_image_filter", "http_xslt_filter", "http_geoip")
)
_USERS = ("ssl_certificate", "ssl_certificate_key")

_BUILT_IN = pattern(
    r"(http_|arg_|cookie_|sent_|upstream_|ssl_|proxy_|jwt_|geoip2?_|realip_|tcpinfo_|time_|connection|request|server_|"
    r"remote_|host|uri|document_|args|is_args|query_string|scheme|https|hostname|nginx_version|pid|msec|limit_|body_bytes|"
    r"bytes_|content_|status|invalid_referer|gzip_ratio|memcached|slice_range|spdy|http2|http3|date_|fastcgi_|pipe|"
    r"protocol|session|binary_remote_addr|realpath_root|secure_link|uid_|modern_browser|ancient_browser|msie|protocol|"
    r"quic|\\d+$).*"
)
"""The variables of nginx's own modules, by their beginnings (nginx.org, alphabetical index of variables)."""


def is_built_in(name: str) -> bool:
    """Whether a variable is one of nginx's own modules."""
    return _BUILT_IN.fullmatch(name.lower()) is not None


@cache
def since() -> dict[str, NginxVersion]:
    """The variables of the TLS modules, and the first nginx with one of each name."""
    found: dict[str, NginxVersion] = {}
    for line in read_data("nginxtls.model", "variables.tsv").splitlines():
        if line and not line.startswith(("#", "variable\t")):
            name, _, text = line.split("\t")
            version = NginxVersion.parse(text)
            found[name] = min(version, found.get(name, version))
    return found


_EXPANDING = frozenset(
    "log_format add_header add_trailer proxy_set_header grpc_set_header fastcgi_param uwsgi_param scgi_param return "
    "rewrite set if map access_log proxy_pass limit_req_zone limit_conn_zone split_clients error_page".split()
)


def variable_refusals(configuration: Configuration) -> Iterator[Refusal]:
    """Variables of the TLS modules that this version of nginx does not have, once each: nginx stops at the first."""
    nginx = configuration.facts.nginx
    missing = {name for name, first in since().items() if nginx is not None and nginx < first}
    for name in sorted(_EXPANDING & configuration.by_name.keys()) if missing else ():
        for directive in configuration.by_name[name]:
            for index, argument in enumerate(directive.args):
                used = {braced or bare for braced, bare in _USE.findall(argument)} if "$ssl_" in argument else set()
                for variable in sorted(used & missing):
                    yield refuse(directive, "variable", f'unknown "{variable}" variable', arg=index)


def unknown(configuration: Configuration, directive: Directive) -> str | None:
    """A variable that a line uses and nothing defines: nginx then refuses to start. None where that is not sure.

    Other modules may bring variables of their own: with any ``load_module`` but nginx's own nothing is said.
    """
    if configuration.completeness != "full" or not directive.args or UNKNOWN in directive.args[0]:
        return None
    modules = [line.args[0].rpartition("/")[2] for line in configuration.directives("load_module") if line.args]
    if not _OWN_MODULES.issuperset(modules):
        return None
    for braced, bare in _USE.findall(directive.args[0]):
        name = str(braced or bare).lower()
        if not is_built_in(name) and name not in defined(configuration):
            return name
    return None


def defined(configuration: Configuration) -> frozenset[str]:
    """Every name that some line could define: it is used there as a variable, or is a named capture."""
    return configuration.memo("defined variables", lambda: frozenset(_defined(configuration)))


def _defined(configuration: Configuration) -> Iterator[str]:
    for name, directives in configuration.by_name.items():
        if name in _USERS:
            continue
        for directive in directives:
            for argument in directive.args:
                if "$" in argument:
                    yield from ((braced or bare).lower() for braced, bare in _USE.findall(argument))
                if "(?" in argument:
                    yield from (capture.lower() for capture in _CAPTURE.findall(argument))
