"""The differences between a running server and its files, as rules: severity, and what each means."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from nginxtls.rule import Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTROL = "https://nginx.org/en/docs/control.html"


class LiveRule(Rule):
    """A difference that only a running server shows."""

    severity = Severity.WARNING
    references: ClassVar[tuple[str, ...]] = (CONTROL,)


class UnansweredListener(LiveRule):
    """A TLS listener of the configuration does not accept connections.

    nginx does not run, the line was added after it loaded its files, or something in between drops the connection.

    Clients: connection refused (ERR_CONNECTION_REFUSED, `curl: (7)`), or a timeout where something drops the packets.
    """

    severity = Severity.ERROR


class NotTls(LiveRule):
    """What answers on a TLS listener does not speak TLS, does not answer in time, or never ends.

    Another process may have the port, or the running nginx has the listener without `ssl`.

    Clients: ERR_SSL_PROTOCOL_ERROR, SSL_ERROR_RX_RECORD_TOO_LONG, `wrong version number` in curl, or a timeout.
    """

    severity = Severity.ERROR


class UnloadableConfiguration(LiveRule):
    """nginx would refuse these files: a reload fails, and the running server still serves an earlier configuration.

    Nothing else is compared, as the next start of nginx fails.

    Clients: nothing until nginx is restarted; then connection refused.
    """

    severity = Severity.ERROR


class OtherCertificate(LiveRule):
    """Clients get another certificate or chain than the one in the file.

    The commonest cause is a renewal without a reload: nginx reads certificates only when it loads its configuration.
    The report says where the served certificate was found: in the archive of the ACME client, in the history of the
    git repository, in the file of another server, or nowhere.

    Clients: the certificate that was loaded last. If it is a renewal that is not loaded, NET::ERR_CERT_DATE_INVALID
    from the day on which the old one expires.
    """

    severity = Severity.ERROR
    security_severity = 4.3
    cwe = (298,)
    references = (CONTROL, "https://eff-certbot.readthedocs.io/en/stable/using.html#renewing-certificates")


class ExpiredCertificateServed(LiveRule):
    """The certificate that clients get has expired, whatever the file holds.

    Clients: browsers show NET::ERR_CERT_DATE_INVALID or SEC_ERROR_EXPIRED_CERTIFICATE, and `curl` exits with code 60
    (`certificate has expired`).
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (298,)


class ExpiringCertificateServed(LiveRule):
    """The certificate that clients get should have been renewed by now.

    A renewal is due when a third of the lifetime is left (30 days for lifetimes of more than 100 days), or as
    `--expiry-days` says.

    Clients: nothing until the last day. Then browsers show NET::ERR_CERT_DATE_INVALID or SEC_ERROR_EXPIRED_CERTIFICATE,
    and `curl` exits with code 60.
    """

    cwe = (298,)


class RejectedHandshake(LiveRule):
    """The running server rejects every handshake for a name that the configuration serves.

    Clients: none connects with this name: ERR_SSL_UNRECOGNIZED_NAME_ALERT, ERR_SSL_VERSION_OR_CIPHER_MISMATCH or
    another alert, which the message names.
    """

    severity = Severity.ERROR


class AcceptedHandshake(LiveRule):
    """The running server accepts handshakes that the configuration rejects.

    Clients: no error; a certificate and content that the configuration means to refuse.
    """

    severity = Severity.ERROR
    security_severity = 4.3


class InconsistentAnswers(LiveRule):
    """Clients get one certificate on some connections and another on others.

    Two instances of nginx accept connections of one listener, as after an upgrade of the program that was not finished
    (`USR2` without `QUIT`), or other processes share the port by `SO_REUSEPORT`.

    Clients: a connection that works and the next one that does not, or one certificate on some connections and the
    other on the rest.
    """

    severity = Severity.ERROR


class OtherProtocols(LiveRule):
    """The running server accepts other protocol versions than the configuration.

    Clients: a version that the files exclude is accepted, or one that they list is refused; the message says which.
    """

    security_severity = 4.3


class OtherSuites(LiveRule):
    """The running server selects another cipher suite than the configuration.

    Clients: no error with most clients; the suite is stronger or weaker than the files say.
    """

    security_severity = 3.1


class OtherGroups(LiveRule):
    """The running server exchanges keys in other groups than the configuration.

    Clients: no error with most clients; the group is another than the files say, such as none with post-quantum
    security.
    """

    security_severity = 3.1


class OtherClientCertificate(LiveRule):
    """The running server requests client certificates, or lists their CAs, otherwise than the configuration.

    Clients: a certificate dialog that is not expected, or everyone gets the content without one.
    """

    severity = Severity.ERROR
    security_severity = 6.5


class OtherSessionTickets(LiveRule):
    """The running server issues session tickets and the configuration does not, or the other way round.

    Clients: no error; returning clients resume, or need a full handshake, otherwise than the files say.
    """


class OtherAlpn(LiveRule):
    """ALPN selects another protocol in the running server, such as HTTP/1.1 in place of HTTP/2.

    Clients: no error; pages are slower with HTTP/1.1 where the files have HTTP/2.
    """


class OtherHeader(LiveRule):
    """`Strict-Transport-Security` or `Alt-Svc` is sent otherwise than the configuration has it.

    Clients: no error; browsers keep plain HTTP, or do not find HTTP/3, or the other way round.
    """


class OtherStapling(LiveRule):
    """The running server staples an OCSP response, and the configuration does not.

    Clients: no difference; a stapled response that the files do not have.
    """


class NoStapledResponse(LiveRule):
    """Clients receive no stapled OCSP response, although the configuration staples.

    nginx requests a response from the CA after the first handshake of each worker; until it arrives, and where the
    responder cannot be reached, none is sent.

    Clients: no error, except where the certificate requires stapling: Firefox then shows
    MOZILLA_PKIX_ERROR_REQUIRED_TLS_FEATURE_MISSING.
    """

    severity = Severity.NOTE


class StaleStapledResponse(LiveRule):
    """The stapled OCSP response has expired, is for another certificate, or says that the certificate is revoked.

    With `ssl_stapling_file` nginx reads the response only when it loads its configuration.

    Clients: Firefox may show SEC_ERROR_OCSP_OLD_RESPONSE, and `curl --cert-status` exits with code 91. If the response
    says revoked, browsers that read it show NET::ERR_CERT_REVOKED or SEC_ERROR_REVOKED_CERTIFICATE.
    """

    severity = Severity.ERROR
    cwe = (299,)


class OldWorkers(LiveRule):
    """Workers of before the last reload still serve open connections with the old configuration and certificates.

    They accept no new connections and end with the last one, or after `worker_shutdown_timeout`.

    Clients: those with a connection from before the reload keep the old certificate and settings until it ends; new
    connections get the new ones.
    """

    severity = Severity.NOTE
    references = ("https://nginx.org/en/docs/ngx_core_module.html#worker_shutdown_timeout", CONTROL)


def rules() -> Mapping[str, Rule]:
    """The rules of this room, by name."""
    found = (kind() for kind in LiveRule.__subclasses__())
    return {rule.name: rule for rule in found}
