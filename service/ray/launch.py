"""What the workers on a Ray cluster are started with, and by which names a server knows its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from service.settings import Settings
from service.version import VERSION

#: Settings of a server, or of one machine.
_NOT_PASSED = frozenset(
    f"REGSWEEP_{name.upper()}"
    for name in (
        *("host", "port", "trusted_proxies", "server_url", "workers", "heartbeat_path", "webhook_allow"),
        *("fleet", "ray_address", "min_workers", "max_workers", "idle_seconds", "keep_days"),
        *("worker_cpus", "worker_gpus", "worker_memory", "worker_resources"),
    )
)
#: Where the artifacts are and who may read them, and where traces go.
_PASSED_FAMILIES = ("REGSWEEP_", "AWS_", "OTEL_")


@dataclass(frozen=True, slots=True)
class Launch:
    """The environment of the workers, and the beginnings of their names."""

    environment: dict[str, str]
    owner: str  # begins the name of every worker on this database
    revision: str  # begins the name of those that were started by this version with these settings

    @classmethod
    def of(cls, settings: Settings, server_environment: dict[str, str]) -> Launch:
        """Derive it from a server's settings and its environment."""
        environment = {
            name: value
            for name, value in server_environment.items()
            if name.startswith(_PASSED_FAMILIES) and name not in _NOT_PASSED
        }
        folder = artifacts_folder(settings.artifacts_url)  # a worker on a node has another working directory
        environment["REGSWEEP_ARTIFACTS_URL"] = settings.artifacts_url if folder is None else f"file://{folder}"
        # Names are shown to everybody, so they are made of nothing secret.
        url = sa.make_url(settings.database_url)
        place = f"{url.host}:{url.port}/{url.database}"
        public = {name: value for name, value in environment.items() if name.startswith("REGSWEEP_")}
        needs = [settings.worker_cpus, settings.worker_gpus, settings.worker_memory, settings.worker_resources]
        owner = f"ray-{_digest(place)}"
        revision = _digest(json.dumps([VERSION, public | {"REGSWEEP_DATABASE_URL": place}, needs], sort_keys=True))
        return cls(environment, owner, f"{owner}-{revision}")

    def new_name(self) -> str:
        """A name that no other worker has."""
        return f"{self.revision}-{uuid4().hex[:8]}"

    def is_current(self, name: str) -> bool:
        """Whether a worker of this name was started by this version with these settings."""
        return name.startswith(f"{self.revision}-")


def artifacts_folder(artifacts_url: str) -> Path | None:
    """The whole path of the folder that a URL, or a plain path, names; None where it is not on this machine."""
    protocol, _, path = artifacts_url.rpartition("://")
    return Path(path).resolve() if protocol in {"", "file", "local"} else None


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]
