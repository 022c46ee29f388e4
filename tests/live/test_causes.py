"""The likely cause of a difference, from what is known of the processes that listen."""

from __future__ import annotations

from pathlib import Path

import pytest

import nginxtls
from nginxtls.live.compare import Difference
from nginxtls.live.connections import Target
from nginxtls.live.evidence import Evidence
from nginxtls.live.findings import RELOAD, Place, finding
from nginxtls.live.processes import Instance, Listening, Process
from nginxtls.model import Handshake

PAIR = "ssl_certificate a.pem; ssl_certificate_key a.key;"


class Known(Evidence):
    """Evidence of processes that are given."""

    found = Listening()

    def listening(self, target: Target) -> Listening:
        return self.found


def process(name: str, number: int = 10, parent: int = 1, title: str = "", started: float = 100.0) -> Process:
    return Process(number, parent, name, title or name, started)


NGINX = process("nginx", title="nginx: master process /usr/sbin/nginx")
WORKER = process("nginx", 11, 10, "nginx: worker process", 200.0)
LEAVING = process("nginx", 12, 10, "nginx: worker process is shutting down", 101.0)


@pytest.mark.parametrize(
    ("found", "cause", "help"),
    [
        (Listening(), "", RELOAD),
        (Listening((), (process("haproxy"),)), "haproxy (process 10) has the listener, not nginx", "stop haproxy"),
        (
            Listening((), (process("docker-proxy"),)),
            "a container answers, by docker-proxy (process 10)",
            "compare with the container's files: `docker exec CONTAINER nginx -T",
        ),
        (
            Listening((Instance(NGINX), Instance(process("nginx", 20, title="nginx: master process", started=300.0)))),
            "several processes accept its connections",
            "end the old one: `kill -QUIT 10`",
        ),
        (Listening((Instance(NGINX, (WORKER, LEAVING)),)), "the configuration changed after nginx loaded it", RELOAD),
    ],
    ids=["nothing known", "another program", "a container", "two masters", "not reloaded"],
)
def test_the_cause_of_a_difference(tmp_path: Path, found: Listening, cause: str, help: str) -> None:
    main = tmp_path / "nginx.conf"
    main.write_text(f"events {{}}\nhttp {{ server {{ listen 443 ssl; server_name a.test; {PAIR} }} }}\n")
    configuration = nginxtls.load(main)
    evidence = Known(configuration, None)
    evidence.found = found
    (socket,) = configuration.sockets
    place = Place(Target(socket, "127.0.0.1", 443), Handshake(configuration, socket, "a.test"))
    made = finding(
        place, Difference("other-protocols", "TLS 1.0 is accepted", "protocols"), evidence, configuration.facts.at
    )
    assert made.message == "TLS 1.0 is accepted" + (f": {cause}" if cause else "")
    assert made.help.startswith(help)


def test_a_reload_replaces_the_workers() -> None:
    """The first of the current workers counts: one that crashed starts again later, with the same configuration."""
    crashed = process("nginx", 13, 10, "nginx: worker process", 900.0)
    instance = Instance(NGINX, (crashed, WORKER, LEAVING))
    assert instance.loaded == 200.0
    assert instance.old_workers == (LEAVING,)
    assert Instance(NGINX).loaded == 100.0
