"""Runs the demonstration: starts a server with its workers, submits a study over REST, shows its result."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape

from service.child_process import regsweep_command
from service.cli import terminal
from service.cli.following import follow
from service.cli.looking import EventLooks
from service.cli.options import api_key_of
from service.cli.terminal_comparison import show_comparison
from service.client import Client
from service.schemas.studies import StudyView
from service.settings import Settings
from studies.spec.study import StudySpec
from studies.study_file import read

#: The study of a demonstration without a file; docs/examples links to it.
EXAMPLE = Path(__file__).parent / "examples" / "breast_cancer.yaml"
_START_SECONDS = 60


def run(file: Path, settings: Settings) -> int:
    """Run the study of a file through a server of its own; return the exit status."""
    console = terminal.open_console()
    spec = read(file)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = regsweep_command("serve", "--host", "127.0.0.1", "--port", str(port))
    # In a session of its own: Ctrl-C reaches this process, which ends the server in order.
    server = subprocess.Popen(command, env=settings.environment(), start_new_session=True)
    try:
        with Client(url, api_key_of(settings)) as client:
            _wait_for_server(client, server)
            study = client.submit(_with_free_name(client, spec).model_dump(mode="json"))
            console.print(f"Submitted [bold]{escape(study.name)}[/bold] to {url}")
            _follow(console, client, study.name)
            study = client.study(study.name)
            terminal.show_study(console, study, client.trials(study.name), client.best(study.name))
            if study.comparison is not None:
                show_comparison(console, client.comparison(study.name))
            _show_urls(console, settings, study)
        return terminal.exit_status(study)
    finally:
        server.terminate()
        server.wait()


def _follow(console: Console, client: Client, name: str) -> None:
    try:
        follow(console, EventLooks(client, name))
    except KeyboardInterrupt:
        # Otherwise the next demonstration would run the rest of this one first.
        client.set_state(name, "stop")
        raise


def free_port() -> int:
    """Find a port of the loopback address that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for_server(client: Client, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not client.is_healthy():
        if server.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("regsweep: the server did not start; its last lines above say why")
        time.sleep(0.05)


def _with_free_name(client: Client, spec: StudySpec) -> StudySpec:
    """Give the study a free name, so that the demonstration can be run again."""
    names = {study.name for study in client.studies()}
    if spec.name is None or spec.name not in names:
        return spec
    return spec.named(next(name for i in range(2, len(names) + 3) if (name := f"{spec.name} {i}") not in names))


def _show_urls(console: Console, settings: Settings, study: StudyView) -> None:
    console.print(f"Results are kept in {settings.database_url}; `regsweep serve` shows them again at", highlight=False)
    base = f"http://{settings.host}:{settings.port}"
    name = quote(study.name)
    for title, path in (
        ("study", f"/studies/{name}"),
        ("as JSON", f"/v1/studies/{name}"),
        ("trials", f"/v1/studies/{name}/trials.csv"),
        ("best model", f"/v1/studies/{name}/model"),
        ("Keras code", f"/v1/studies/{name}/snippet"),
        ("report", f"/v1/studies/{name}/report"),
        ("dashboard", study.dashboard or "/dashboard"),
        ("API", "/docs"),
    ):
        console.print(f"  {title:<11} {base}{path}", highlight=False, soft_wrap=True)
