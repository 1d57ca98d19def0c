"""From a CSV on disk to predictions on new raw rows, with the command line alone and with curl alone."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import House, Server, serving
from tests.acceptance.studies import ended

pytestmark = pytest.mark.xdist_group("own data")
ROWS, NEW = 240, 40


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("own"))
    dice = random.Random(3)  # noqa: S311
    header = ["id", "age", "city", "since", "member", "churned"]
    for name, count, labelled in (("churn", ROWS, True), ("new_rows", NEW, False), ("answers", NEW, True)):
        if name == "answers":
            dice.seed(4)
        if name == "new_rows":
            dice.seed(4)
        with (made.folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header if labelled else header[:-1])
            for number in range(count):
                row = _row(dice, number)
                writer.writerow(row if labelled else row[:-1])
    yield made
    made.close()


def _row(dice: random.Random, number: int) -> list[Any]:
    age, city = dice.gauss(45, 10), dice.choice(["Rome", "Oslo", "Lima"])
    label = "yes" if (age - 45) / 8 + 1.5 * (city == "Rome") > 0.5 else "no"
    lacking = dice.random() < 0.05
    return [
        number,
        "" if lacking else f"{age:.1f}",
        city,
        f"20{dice.randint(10, 24)}-03-01",
        dice.random() < 0.5,
        label,
    ]


@pytest.fixture(scope="module")
def server(house: House) -> Iterator[Server]:
    with serving(house, workers=1) as started:
        house.environment["REGSWEEP_SERVER_URL"] = started.url
        yield started


def _right(house: House, predictions: Path) -> float:
    """The share of new rows that are predicted right."""
    with predictions.open() as given, (house.folder / "answers.csv").open() as true:
        pairs = list(zip(csv.DictReader(given), csv.DictReader(true), strict=True))
    assert len(pairs) == NEW
    assert all(abs(float(row["p_no"]) + float(row["p_yes"]) - 1) < 1e-5 for row, _ in pairs)
    return float(sum(row["prediction"] == answer["churned"] for row, answer in pairs)) / NEW


def _curl(*arguments: str) -> str:
    done = subprocess.run(["curl", "-sS", "--fail-with-body", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_with_curl_alone(house: House, server: Server) -> None:
    query = "name=by-curl&target=churned&ignore=id&ignore=since"
    data = ("--data-binary", f"@{house.folder / 'churn.csv'}", "-H", "content-type: text/csv")
    added = json.loads(_curl("-X", "POST", f"{server.url}/v1/datasets?{query}", *data))
    assert (added["name"], added["profile"]["rows"]) == ("by-curl", ROWS)
    body = {
        "name": "curled",
        "dataset": {"kind": "uploaded", "name": "by-curl"},
        "budget": {"trials": 6, "epochs": 30},
        "model": {"kind": "mlp", "hidden_units": [16]},
        "space": {"learning_rate": 0.01},
    }
    sent = ("-H", "content-type: application/json", "-d", json.dumps(body))
    _curl("-X", "POST", f"{server.url}/v1/studies", *sent)
    with httpx.Client(base_url=server.url, timeout=30) as api:
        assert ended(api, "curled")["state"] == "completed"
    bundle, predictions = house.folder / "curled.zip", house.folder / "curled.csv"
    _curl("-o", str(bundle), f"{server.url}/v1/studies/curled/export")
    assert "model.keras" in zipfile.ZipFile(bundle).namelist()
    rows = ("-X", "POST", "-H", "content-type: text/csv", "--data-binary")
    predict = f"{server.url}/v1/studies/curled/predict"
    _curl("-o", str(predictions), "-F", f"file=@{house.folder / 'new_rows.csv'}", predict)
    assert _right(house, predictions) > 0.8
    head, first = (house.folder / "new_rows.csv").read_text().splitlines()[:2]
    strange = "\n".join([head, first, first.replace("Rome", "Ur").replace("Oslo", "Ur").replace("Lima", "Ur")])
    told = json.loads(_curl("-H", "accept: application/json", *rows, strange, f"{predict}?id=city"))
    assert [row["id"] for row in told["predictions"]][1] == "Ur"
    assert [(one["column"], one["what"], one["values"]) for one in told["unfamiliar"]] == [("city", "unknown", ["Ur"])]
    assert '[{"column": "city", "what": "unknown", "count": 1}]' in _curl("-D", "-", *rows, strange, predict)
    refused = subprocess.run(
        ["curl", "-sS", *rows, "age,city\n1,Rome\n", predict], capture_output=True, text=True, check=True
    )
    answer = json.loads(refused.stdout)
    assert (answer["status"], answer["detail"]) == (422, "column 'member' is missing; there are 'age', 'city'")


def test_with_the_command_line_alone(house: House, server: Server) -> None:
    study = house.folder / "compared.yaml"
    study.write_text(
        "name: compared\ndataset: {kind: file, path: churn.csv, target: churned, ignore: [id]}\n"
        "budget: {trials: 3, epochs: 30}\nmodel: {kind: mlp, hidden_units: [16]}\nspace: {learning_rate: 0.01}\n"
        "comparison: {techniques: [none, l2], trials_per_technique: 2, folds: 2, repeats: 1}\n"
    )
    best, recommended = house.folder / "best.zip", house.folder / "recommended.zip"
    predictions = house.folder / "predictions.csv"
    waited = house.run("compare", str(study), "--wait")
    assert waited.returncode == 0, (waited.stdout, waited.stderr)
    following = "Next: regsweep export compared --technique recommended -o compared.zip"
    assert waited.stdout.splitlines()[-1] == following
    # The file's dataset is that of the study which is there.
    again = house.run("compare", str(study))
    assert (again.returncode, again.stdout) == (0, f"compared\n{following}\n"), again.stderr
    for command in (
        ("export", "compared", "-o", str(best)),
        ("export", "compared", "--technique", "recommended", "-o", str(recommended)),
        ("predict", str(recommended), str(house.folder / "new_rows.csv"), "-o", str(predictions)),
    ):
        done = house.run(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    for bundle in (best, recommended):
        assert set(zipfile.ZipFile(bundle).namelist()) == {"model.keras", "preparation.skops", "README.md"}
    assert _right(house, predictions) > 0.8
