"""A source in an object store: moto's server answers as S3 does, and s3fs reads it, in the workers, too."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import s3fs
from moto.server import ThreadedMotoServer

from nginxtls.base.errors import UsageError
from nginxtls.fleet import engine
from nginxtls.fleet.engine import Scanned, scan
from nginxtls.fleet.hosts import read_hosts
from nginxtls.fleet.sources import find_items
from nginxtls.linting.settings import Settings
from tests.fleet.conftest import generator
from tests.fleet.test_scan import ask, everything

DUMP = b"# configuration file /etc/nginx/nginx.conf:\nhttp { server { listen 443 ssl; server_name a.test; } }\n"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The empty bucket ``fleet``; this process and its workers find the server by the variables of AWS."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = boto3.resource("s3").Bucket("fleet")
    bucket.create()
    yield bucket
    bucket.objects.delete()
    server.stop()


def test_a_store_gives_the_rows_of_the_folder_and_resumes(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "IN_A_BATCH", 4)
    planted = generator().make_fleet(tmp_path / "fleet", 20)
    for file in planted.root.rglob("*"):
        if file.is_file():
            store.upload_file(str(file), f"dumps/{file.relative_to(planted.root)}")
    store.put_object(Key="dumps/")  # what the console makes for a folder

    def scanned(source: str, output: str, **options: Any) -> Scanned:
        items, hosts = find_items(source), read_hosts(str(planted.inventory))
        settings = Settings(trust=("none", str(planted.trust)))
        return scan(items, hosts, tmp_path / output, settings, at=generator().AT, workers=1, source=source, **options)

    assert scanned(str(planted.root), "local").items == 20
    assert len(find_items("s3://fleet/dumps")) == 20
    assert [item.name for item in find_items("s3://fleet/dumps/*00002.txt")] == ["host000002.txt"]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scanned("s3://fleet/dumps", "store", progress=stop)
    resumed = scanned("s3://fleet/dumps", "store")
    assert 0 < resumed.kept < resumed.items == 20
    assert everything(tmp_path / "store") == everything(tmp_path / "local")


def test_hostile_and_broken_objects(store: Any, tmp_path: Path) -> None:
    """A name is never taken for a URL of its own, and what cannot be read is a row."""
    secret = tmp_path / "secret.txt"
    secret.write_bytes(DUMP)
    inside = ("dir/../../up.conf", "dir/nginx.conf", "dir/a", "dir/a/b", "dir/" + "x" * 300)
    for name in ("good 50% #1?.txt", "a::file:", "simplecache::x.txt", *inside):
        store.put_object(Key=f"dumps/{name}", Body=DUMP)
    store.put_object(Key=f"dumps/x::file:{secret}", Body=b"")
    store.put_object(Key="dumps/empty.txt", Body=b"")
    store.put_object(Key="dumps/gone.txt", Body=DUMP)
    items = find_items("s3://fleet/dumps")
    store.delete_objects(Delete={"Objects": [{"Key": "dumps/gone.txt"}]})
    scan(items, read_hosts(""), tmp_path / "out", Settings(), workers=1)
    found = {
        name: (status, reason)
        for name, status, reason in ask(tmp_path / "out", "SELECT item, status, reason FROM items")
    }
    assert {name for name, (status, _) in found.items() if status == "failed"} == {"empty.txt", "gone.txt", "x::file:"}
    assert found["gone.txt"][1].startswith("cannot be read: ")
    (lost,) = ask(tmp_path / "out", "SELECT status, not_checked FROM items WHERE item = 'dir'")
    assert lost[0] == "partly"
    assert {entry.partition(":")[0][:9] for entry in lost[1]} >= {"../../up.", "xxxxxxxxx"}
    assert {"a:", "a/b:"} & {entry.partition(" ")[0] for entry in lost[1]}
    with pytest.raises(UsageError, match="does not exist"):
        find_items("s3://absent/dumps")
