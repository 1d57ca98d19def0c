"""What a worker on Ray is started with: no secret in its name, nothing of the server's own in its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.ray.launch import Launch
from service.settings import Settings

URL = "postgresql+psycopg://me:{}@host/regsweep"


def launch(password: str = "secret", **changes: Any) -> Launch:  # noqa: S107
    settings = Settings(database_url=URL.format(password), fleet="ray", port=8123, **changes)
    environment = settings.environment() | {"HOME": "/root", "AWS_REGION": "x", "VIRTUAL_ENV": "/server"}
    return Launch.of(settings, environment)


def test_a_worker_gets_the_settings_of_workers_and_the_way_to_the_artifacts() -> None:
    environment = launch().environment
    assert environment["REGSWEEP_DATABASE_URL"] == URL.format("secret")
    assert environment["AWS_REGION"] == "x"
    assert environment["REGSWEEP_ARTIFACTS_URL"] == f"file://{Path.cwd() / 'data/artifacts'}"
    assert not environment.keys() & {"REGSWEEP_PORT", "REGSWEEP_FLEET", "HOME", "VIRTUAL_ENV", "REGSWEEP_IDLE_SECONDS"}


def test_a_folder_of_artifacts_is_passed_by_its_whole_path_however_it_is_named() -> None:
    for named in ("file://kept", "local://kept", "kept", f"{Path.cwd()}/kept"):
        environment = launch(artifacts_url=named).environment
        assert environment["REGSWEEP_ARTIFACTS_URL"] == f"file://{Path.cwd() / 'kept'}"
    assert launch(artifacts_url="s3://bucket/kept").environment["REGSWEEP_ARTIFACTS_URL"] == "s3://bucket/kept"


def test_a_name_tells_the_database_and_the_settings_and_no_password() -> None:
    one = launch()
    assert one.new_name() != one.new_name()
    assert one.new_name().startswith(f"{one.revision}-")
    assert launch("another").revision == one.revision
    assert (launch(lanes=4).owner, launch(lanes=4).revision == one.revision) == (one.owner, False)
    assert launch(worker_cpus=2.0).revision != one.revision
