"""The proxies of docker/, with a certificate of their own making, before a server of the tests."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.acceptance.polling import eventually

_EXAMPLES = Path(__file__).parents[2] / "docker"
_CERTIFICATE = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
)


def certificate(folder: Path) -> Path:
    """Make a certificate of localhost beside its key."""
    made = folder / "cert.pem"
    subprocess.run(
        [*_CERTIFICATE.split(), "-keyout", folder / "key.pem", "-out", made], check=True, capture_output=True
    )
    return made


@contextmanager
def proxied(name: str, folder: Path, port: int) -> Iterator[str]:
    """Run the example of nginx or Caddy, on ports and with files of its own; its URL with the prefix."""
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name}; `make test` installs it where it runs as root with apt-get")
    public, plain = _free_port(), _free_port()
    moved = {"/etc/regsweep": str(folder), "127.0.0.1:8000": f"127.0.0.1:{port}"}
    if name == "nginx":
        example = _moved("nginx.conf", moved | {
            "listen 443": f"listen {public}",
            "listen 80": f"listen {plain}",
            "/run/nginx.pid": f"{folder}/pid",
            "/var/log/nginx/access.log": f"{folder}/access.log",
        })  # fmt: skip
        command = ["nginx", "-e", f"{folder}/log", "-g", "daemon off;", "-c"]
    else:
        ports = {
            "localhost:443": f"localhost:{public}",
            "\tservers {": f"\tadmin off\n\thttp_port {plain}\n\tservers {{",
        }
        example = _moved("Caddyfile", moved | ports)
        command = ["caddy", "run", "--adapter", "caddyfile", "--config"]
    path = folder / name
    path.write_text(example)
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen([*command, str(path)], stdout=log, stderr=log)
    try:
        url = f"https://localhost:{public}/regsweep"
        eventually(lambda: _answers(url), 30)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _moved(example: str, places: Mapping[str, str]) -> str:
    text = (_EXAMPLES / example).read_text()
    for place, other in places.items():
        assert place in text, place
        text = text.replace(place, other)
    return text


def _answers(url: str) -> bool:
    # Its certificate is its own.
    try:
        return httpx.get(f"{url}/healthz", verify=ssl._create_unverified_context()).is_success  # noqa: S323
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
