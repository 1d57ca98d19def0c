"""A deployment as docker/README.md describes it, apart from any other: a project, a port and passwords of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"


@dataclass(frozen=True)
class Deployment:
    """Compose files with what they are told by the environment."""

    files: Sequence[str]  # those of docker/, each with the one of the same name that the test lays over it, if any
    folder: Path  # for passwords and backups
    port: int
    project: str = "regsweep-test"
    settings: Mapping[str, str] = field(default_factory=dict)  # more that a user would write into .env

    @property
    def environment(self) -> dict[str, str]:
        """What compose reads its files, its project and their variables from."""
        own_files = [Path(__file__).parent / name for name in self.files]
        files = dict.fromkeys([DOCKER / name for name in self.files] + [file for file in own_files if file.exists()])
        own = ("REGSWEEP_", "COMPOSE_")
        return {name: value for name, value in os.environ.items() if not name.startswith(own)} | {
            "COMPOSE_FILE": os.pathsep.join(map(str, files)),
            "COMPOSE_PROJECT_NAME": self.project,
            "REGSWEEP_TAG": "test",
            "REGSWEEP_PUBLISH": f"127.0.0.1:{self.port}",
            "REGSWEEP_SECRETS": str(self.folder / "secrets"),
            **self.settings,
        }

    @property
    def url(self) -> str:
        """Where the server is published."""
        return f"http://127.0.0.1:{self.port}"

    def compose(self, *arguments: str) -> str:
        """What `docker compose …` prints."""
        return self.docker("compose", *arguments)

    def docker(self, *arguments: str) -> str:
        """What `docker …` prints."""
        return self._run("docker", *arguments)

    def docker_json(self, *arguments: str) -> list[dict[str, Any]]:
        """The same, read."""
        found: list[dict[str, Any]] = json.loads(self.docker(*arguments))
        return found

    def in_image(self, image: str, commands: str) -> str:
        """What a shell in an image prints."""
        return self.docker("run", "--rm", "--network", "none", image, "sh", "-c", commands)

    def make_secrets(self) -> None:
        """The passwords of the PostgreSQL variant."""
        self._run(str(DOCKER / "make_secrets"), str(self.folder / "secrets"))

    def make_tls(self, host: str) -> None:
        """The certificate of the host that publishes, and what workers elsewhere need."""
        self._run(str(DOCKER / "make_tls"), host, str(self.folder / "secrets"))

    def follow(self, heading: str) -> str:
        """Run the commands that stand under a heading of docker/README.md; what they print."""
        readme = (DOCKER / "README.md").read_text()
        section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", readme, re.DOTALL | re.MULTILINE)
        assert section, f"docker/README.md has no section {heading}"
        commands = "".join(re.findall(r"^```\n(.*?)^```$", section[1], re.DOTALL | re.MULTILINE))
        return self._run("bash", "-euo", "pipefail", "-c", commands)

    def regsweep(self, *arguments: str, key: str) -> str:
        """What the command line of this machine prints, told where the server is."""
        known = {"REGSWEEP_SERVER_URL": self.url, "REGSWEEP_KEY": key}
        return self._run(sys.executable, "-m", "service.cli.main", *arguments, more=known)

    def make_key(self) -> str:
        """A key of a scope that may do everything."""
        printed = self.compose("run", "--rm", "server", "regsweep", "keys", "create", "test", "--scope", "admin")
        return printed.split()[-1]

    def containers(self, service: str) -> list[dict[str, Any]]:
        """Every container of a service, as `docker inspect` has it."""
        ids = self.compose("ps", "--all", "--quiet", service).split()
        return self.docker_json("inspect", *ids) if ids else []

    def _run(self, *command: str, more: Mapping[str, str] | None = None) -> str:
        environment = {**self.environment, **(more or {}), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=1800, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout
