"""Every setting of the service: a flag, else the variable REGSWEEP_…, else the file that REGSWEEP_…_FILE names."""

from __future__ import annotations

import ipaddress
import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from service.setting_defaults import DATABASE, count_cores, default_artifacts_url, default_cache_folder, file_of_sqlite
from service.setting_files import read_files, variable_of

_ROOT_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_AMOUNT = re.compile(r"\d+(\.\d+)?")
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]


def _check_root_path(path: str) -> str:
    path = path.rstrip("/")
    if not _ROOT_PATH.fullmatch(path):
        raise ValueError(f"'{path}' is no path such as /regsweep; use letters, digits and . _ ~ - between slashes")
    return path


def _split_proxies(value: Any) -> Any:
    """Read addresses and networks; one that is neither would never be met, and `*` would believe everybody."""
    proxies = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise ValueError(f"'{proxy}' is no address or network such as 127.0.0.1 or 172.16.0.0/12") from error
    return tuple(proxies)


def _split_resources(value: Any) -> Any:
    """Read `name=amount` with commas between them."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if wrong := [name for name, _, amount in pairs if not _AMOUNT.fullmatch(amount.strip())]:
        raise ValueError(f"'{wrong[0].strip()}' has no amount; write names and amounts, such as fast_disk=1,team_a=0.5")
    return {name.strip(): float(amount) for name, _, amount in pairs}


class Settings(BaseSettings):
    """The settings, each with the meaning of its value."""

    model_config = SettingsConfigDict(env_prefix="REGSWEEP_", frozen=True)

    database_url: str = Field(f"sqlite:///{DATABASE}", description="SQLAlchemy URL of the database.")
    artifacts_url: str = Field(
        default_factory=default_artifacts_url,
        description="fsspec URL of the folder for models and datasets, also s3://…; default `artifacts` beside "
        "`regsweep.db`, `NAME.artifacts` beside another SQLite file `NAME.db`, else `data/artifacts`.",
    )
    host: str = Field("127.0.0.1", description="Address the server listens on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8000, description="Port the server listens on; 0 takes a free one."
    )
    root_path: Annotated[str, AfterValidator(_check_root_path)] = Field(
        "", description="Path under which a proxy shows the server, such as /regsweep."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_proxies)] = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, with "
        "commas between them.",
    )
    server_url: str = Field("http://127.0.0.1:8000", description="URL of the server that the commands talk to.")
    key: SecretStr | None = Field(None, description="The API key that commands send to a server.")
    workers: Annotated[int, Field(ge=0)] = Field(
        default_factory=count_cores, description="Worker processes beside the server; default one per core."
    )
    fleet: Literal["local", "ray"] = Field(
        "local", description="Where `serve` has its workers: `local`, processes beside the server, or `ray`, a cluster."
    )
    ray_address: str = Field(
        "auto",
        description="The Ray cluster: `auto` for the one that this machine is a node of (the latest of several; "
        "`host:6379` names one), or its head, `ray://host:10001`.",
    )
    min_workers: Annotated[int, Field(ge=0)] = Field(
        0, description="Workers on Ray at any time, also while there is no work."
    )
    max_workers: Annotated[int, Field(ge=1)] = Field(
        10, description="Most workers on Ray; between both bounds it is the open trials that count."
    )
    worker_cpus: Annotated[float, Field(gt=0)] = Field(1.0, description="CPUs that a worker on Ray takes of its node.")
    worker_gpus: Annotated[int, Field(ge=0)] = Field(0, description="GPUs that a worker on Ray takes of its node.")
    worker_memory: ByteSize | None = Field(
        None, description="Memory that a worker on Ray takes of its node, as `2GiB`; not counted when left out."
    )
    worker_resources: Annotated[dict[str, float], NoDecode, BeforeValidator(_split_resources)] = Field(
        {}, description="Ray's custom resources that a worker takes of its node, as `fast_disk=1,team_a=0.5`."
    )
    idle_seconds: Annotated[float, Field(gt=0)] = Field(
        60.0,
        description="Seconds without work after which a worker on Ray ends that nobody asks for, or whose server is "
        "gone.",
    )
    lanes: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        None, description="Trials a worker trains at once in one compiled program; chosen by study when left out."
    )
    memory_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="Share of the machine's memory that the lanes of one worker may take."
    )
    dataset_memory_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1,
        description="Share of the machine's memory in which one worker keeps the datasets of its last studies; the one "
        "it trains on is kept whatever its size.",
    )
    cache_folder: Path = Field(
        default_factory=default_cache_folder,
        description="Folder of compiled programs and their measurements; may be emptied at any time.",
    )
    heartbeat_path: Path | None = Field(
        None, description="File that a worker touches at every heartbeat, for `regsweep worker --check`."
    )
    log_level: LogLevel = Field("info", description="Least severe log line that is printed.")
    log_format: LogFormat = Field("text", description="`text`, or `json`: each log line is one JSON object.")
    metrics_token: Annotated[SecretStr, Field(min_length=16)] | None = Field(
        None,
        description="Bearer token that reads `/metrics` and nothing else, also while the database is away.",
    )
    lease_seconds: Annotated[float, Field(ge=2)] = Field(
        30.0, description="Seconds without a sign of life after which a worker's trial goes to another worker."
    )
    hung_seconds: Annotated[float, Field(gt=0)] = Field(
        1800.0,
        description="Seconds without a finished epoch after which a training counts as hung: its worker is restarted "
        "and its trial given to another. Must exceed the longest epoch and the longest compilation.",
    )
    checkpoint_seconds: Annotated[float, Field(ge=0)] = Field(
        60.0, description="Seconds between two checkpoints of a running trial; shorter trials have none."
    )
    turn_seconds: Annotated[float, Field(gt=0)] = Field(
        10.0, description="Seconds that a worker serves one study before it checks whether another comes first."
    )
    poll_seconds: Annotated[float, Field(gt=0)] = Field(
        0.2,
        description="Seconds between two queries of an idle worker for work; on PostgreSQL they grow to 5 seconds "
        "while nobody wakes it, but for the workers of one machine's server.",
    )
    max_upload_bytes: Annotated[int, Field(ge=1)] = Field(
        4_000_000_000, description="Largest file that can be uploaded as a dataset."
    )
    max_body_bytes: Annotated[int, Field(ge=1)] = Field(
        10_000_000, description="Largest body of any other request, such as a study with a Keras model in it."
    )
    read_memory_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5,
        description="Share of the machine's memory that reading a file that was sent may take; of a file up to 50 MB a "
        "quarter of it, or 1 GB if that is more.",
    )
    read_seconds: Annotated[int, Field(ge=1)] = Field(
        300, description="Most seconds that reading a file that was sent may take."
    )
    max_reads: Annotated[int, Field(ge=1)] = Field(
        4, description="Files that are read at once, half of them of one key; others wait, 30 seconds at most."
    )
    max_bodies_bytes: Annotated[int, Field(ge=1)] = Field(
        20_000_000, description="Most bytes of bodies that the server holds at once; what is beyond is answered 503."
    )
    max_connections: Annotated[int, Field(ge=1)] = Field(
        1000, description="Most connections of clients at once; one more closes the one that has idled longest."
    )
    max_trials: Annotated[int, Field(ge=1)] = Field(
        50_000, description="Most trials of a study, and of each technique that a comparison searches."
    )
    max_epochs: Annotated[int, Field(ge=1)] = Field(10_000, description="Most epochs of a trial.")
    max_layers: Annotated[int, Field(ge=1)] = Field(1000, description="Most hidden layers of a model.")
    max_units: Annotated[int, Field(ge=1)] = Field(16_384, description="Most units or filters of a layer.")
    max_parameters: Annotated[int, Field(ge=1)] = Field(50_000_000, description="Most parameters of a model.")
    max_activations: Annotated[int, Field(ge=1)] = Field(
        50_000_000,
        description="Most numbers that the layers of a model compute for one row, together: 4 bytes each, for every "
        "row of a batch.",
    )
    max_active_studies: Annotated[int, Field(ge=1)] = Field(
        100, description="Most studies that have not ended, at any time."
    )
    quota_active_studies: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Most studies of a project that have not ended; no limit when left out."
    )
    quota_waiting_trials: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Most trials of a project that wait for a worker; no limit when left out."
    )
    quota_stored_bytes: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Most bytes of a project's datasets and models; no limit when left out."
    )
    quota_requests_a_minute: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="Most requests of one API key in a minute; no limit when left out."
    )
    project: str | None = Field(
        None, description="Project that commands submit to and upload to; the server chooses when left out."
    )
    max_failed_keys: Annotated[int, Field(ge=1)] = Field(
        20, description="API keys and logins from one address that may fail in a minute before further ones are a 429."
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Key that wraps the secrets in the database, or several separated by commas, of which the first "
        "wraps; default a file `secret.key` beside the SQLite database, made when it is first needed.",
    )
    webhook_allow: str = Field(
        "",
        description="Hosts, addresses and networks, separated by commas, that webhooks may reach though they are not "
        "public, also by http; a host without its port.",
    )
    dashboard_writes: bool = Field(
        False,
        description="Let the Optuna dashboard change notes and preferences, and studies that are not "
        "regsweep's; otherwise only GET and HEAD reach it.",
    )
    cache_bytes: Annotated[int, Field(ge=0)] = Field(
        20_000_000_000,
        description="Bytes of datasets from S3 that the cache folder keeps; what was used longest ago goes first.",
    )
    keep_days: Annotated[float, Field(ge=1)] | None = Field(
        None, description="Days after its end when the server deletes a study; it looks once a day. Not set: never."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add the files to the library's own sources, as the last."""
        files = InitSettingsSource(settings_cls, read_files(cls.model_fields))
        return init_settings, env_settings, dotenv_settings, file_secret_settings, files

    @property
    def is_behind_proxy(self) -> bool:
        """Whether requests come through a proxy, so that each needs a key wherever it seems to come from."""
        return bool(self.root_path or self.trusted_proxies)

    @property
    def sqlite_file(self) -> Path | None:
        """The file of an SQLite database; None of another."""
        return file_of_sqlite(self.database_url)

    def environment(self) -> dict[str, str]:
        """The environment that gives a child process these settings, without the secrets."""
        others = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in variables()}
        values = self.model_dump(exclude={"key", "metrics_token", "secret_key"})
        values["trusted_proxies"] = ",".join(self.trusted_proxies)
        values["worker_resources"] = ",".join(f"{name}={n:g}" for name, n in self.worker_resources.items())
        return others | {variable_of(name): str(value) for name, value in values.items() if value is not None}


@cache
def variables() -> dict[str, str]:
    """Each environment variable with its description."""
    return {variable_of(name): field.description or "" for name, field in Settings.model_fields.items()}
