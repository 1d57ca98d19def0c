"""What `pip install regsweep` brings is enough for a client; what is not says which extra brings it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import httpx
import pytest

from service.extras import extra_of

#: Refuses the modules of the extras, as if they were not installed.
WITHOUT_EXTRAS = """
import os, sys
from service import extras

class Without:
    def __init__(self, finder):
        self._finder = finder

    def __getattr__(self, name):
        return getattr(self._finder, name)

    def find_spec(self, name, *where):
        missing = extras.extra_of(ModuleNotFoundError(name=name)) in os.environ["EXTRAS_MISSING"].split()
        return None if missing else self._finder.find_spec(name, *where)

sys.meta_path[:] = map(Without, sys.meta_path)
"""


ALL_EXTRAS = "server worker postgres s3 tracing"


def without_extras(
    code: str, folder: Path, url: str = "", missing: str = ALL_EXTRAS, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run code where the packages of the missing extras cannot be imported."""
    script = folder / "script.py"
    script.write_text(WITHOUT_EXTRAS + code, encoding="utf-8")
    variables = {"REGSWEEP_SERVER_URL": url, "EXTRAS_MISSING": missing} | environment
    return subprocess.run(
        [sys.executable, "-P", str(script)],
        env=os.environ | variables, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


USES = """
import numpy as np, regsweep

client = regsweep.Client()
rows = np.arange(60.0).reshape(30, 2)
dataset = client.add_dataset((rows, np.arange(30) % 2), name="rows")
client.submit({"name": "light", "dataset": dataset, "budget": {"trials": 2, "epochs": 2}})
spec = regsweep.parse({"dataset": {"kind": "builtin", "name": "iris"}, "seed": 3})
print(client.submit(spec.named("iris")).state, len(client.studies()), client.trials("light").rows())
for call in (
    lambda: regsweep.sweep(None, rows, np.arange(30) % 2),
    lambda: regsweep.predict("model.zip", "rows.csv"),
    lambda: client.add_dataset({"a": np.array(["x", None]), "y": np.arange(2)}, "y"),
):
    try:
        call()
    except (regsweep.ServiceError, regsweep.StudiesError) as error:
        print(error)
"""


def test_the_client_needs_no_extra_and_says_which_one_brings_what_it_lacks(
    shared_api: httpx.Client, tmp_path: Path
) -> None:
    done = without_extras(USES, tmp_path, str(shared_api.base_url))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "queued 2 []",
        'a sweep in this process needs tensorflow, which is not installed: pip install "regsweep[worker]"',
        'regsweep.predict needs keras, which is not installed: pip install "regsweep[worker]"',
        "an array of Python objects is sent as Parquet, which needs pyarrow, which is not installed: "
        "pip install pyarrow",
    ]


COMMAND = "sys.argv = ['regsweep', *{}]\nfrom service.cli.main import main\nmain()"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "Usage: regsweep"),
        (["submit", "study.yaml"], 0, "people"),
        (["studies"], 0, "shown"),
        (["show", "shown"], 0, "Page:     http://"),
        (["watch", "shown"], 1, "Page:     http://"),
        (["serve"], 2, 'which is not installed: pip install "regsweep[server]"'),
        (["run", "study.yaml"], 2, 'which is not installed: pip install "regsweep[worker]"'),
    ],
)
def test_the_command_line_talks_to_a_server_without_extras(
    shared_api: httpx.Client, tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    rows = "\n".join(f"{row},{row % 7},{row % 2}" for row in range(40))
    (tmp_path / "people.csv").write_text(f"a,b,ill\n{rows}\n")
    (tmp_path / "study.yaml").write_text("name: people\ndataset: {kind: file, path: people.csv, target: ill}\n")
    if "shown" in (*arguments, said):
        shared_api.post("/v1/studies", json={"name": "shown", "dataset": {"kind": "builtin", "name": "iris"}})
        shared_api.post("/v1/studies/shown/stop")
    done = without_extras(COMMAND.format(arguments), tmp_path, str(shared_api.base_url))
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr


def test_the_module_of_every_extras_package_is_known_as_its() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    distributions = {name.lower().replace("_", "-"): set[str]() for name in chain(*packages_distributions().values())}
    for module, names in packages_distributions().items():
        for name in names:
            distributions[name.lower().replace("_", "-")].add(module)
    for extra in ("server", "worker", "postgres", "s3"):
        for requirement in project["optional-dependencies"][extra]:
            package = re.match(r"[\w-]+", requirement)
            assert package is not None
            modules = distributions.get(package[0].lower(), set()) - {"regsweep", "service", "studies"}
            known = {extra_of(ModuleNotFoundError(name=module)) for module in modules}
            assert not modules or extra in known, requirement
    for requirement in project["dependencies"]:
        package = re.match(r"[\w-]+", requirement)
        assert package is not None
        assert {extra_of(ModuleNotFoundError(name=module)) for module in distributions[package[0]]} == {None}


LEAST = "worker postgres s3 tracing"
LIGHT_SERVER = """
from regsweep import Client
from service.api.app import create_app
from service.in_process import InProcessTransport
from service.settings import Settings

with InProcessTransport(create_app(Settings())) as transport:
    client = Client("http://127.0.0.1", transport=transport)
    dataset = client.add_dataset("rows.csv", "b", name="rows")
    study = client.submit({"name": "light", "dataset": dataset})
    print(study.state, client.trials("light").rows(), client.studies()[0].name)
"""


def test_the_lightest_server_serves_from_sqlite_and_files(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n" + "\n".join(f"{row},{row % 2}" for row in range(40)))
    done = without_extras(LIGHT_SERVER, tmp_path, missing=LEAST)
    assert done.stdout.splitlines() == ["queued [] light"], done.stderr


@pytest.mark.parametrize(
    ("variable", "url", "extra"),
    [
        ("REGSWEEP_DATABASE_URL", "postgresql+psycopg://user@127.0.0.1:1/no", "postgres"),
        ("REGSWEEP_ARTIFACTS_URL", "s3://no/files", "s3"),
    ],
)
def test_an_address_that_needs_an_extra_says_which(tmp_path: Path, variable: str, url: str, extra: str) -> None:
    command = COMMAND.format(["serve", "--workers", "0", "--port", "0"])
    done = without_extras(command, tmp_path, missing=LEAST, **{variable: url})
    assert done.returncode == 2, done.stderr
    assert f'pip install "regsweep[{extra}]"' in done.stderr
