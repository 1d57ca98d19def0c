"""`regsweep predict`: new rows of every sort, what is told of them, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service.commanding import Completed, run_command
from tests.studies.exports import export
from tests.studies.uploads import prepared, text

pytestmark = pytest.mark.slow
INPUTS = Path(__file__).parents[1] / "studies" / "data" / "inputs"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    rows = list(csv.reader((INPUTS / "two_levels_train.csv").read_text().splitlines()))
    columns = dict(zip(rows[0], map(list, zip(*rows[1:], strict=True)), strict=True))
    data = prepared(folder, columns, target="kept")
    return export(folder, data, 1, "sigmoid")[0]


def predict(model: Path, rows: Path, *options: str, output: str = "predictions.csv") -> Completed:
    return run_command("predict", str(model), str(rows), "-o", str(model.parent / output), *options)


def test_what_training_never_saw_is_told_and_each_row_has_a_line(model: Path) -> None:
    done = predict(model, INPUTS / "two_levels_new.csv")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "regsweep: column 'sex' has a value in 1 row (row 8) that training never saw: 'unknown'",
        "regsweep: column 'sex' has no value in 2 rows (the first is row 4), and had one in every row of training",
    ]
    found = list(csv.DictReader((model.parent / "predictions.csv").read_text().splitlines()))
    assert list(found[0]) == ["prediction", "p_no", "p_yes"]
    female, male, empty, mark, *alike, unknown = (row["p_yes"] for row in found)
    assert alike == [female, female]
    assert female != male
    assert empty == mark == unknown
    assert empty not in {female, male}


def test_strictly_such_rows_are_refused_and_nothing_is_written(model: Path) -> None:
    refused = predict(model, INPUTS / "two_levels_new.csv", "--strict", output="none.csv")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "training never saw: 'unknown'" in refused.stderr
    assert not (model.parent / "none.csv").exists()


def test_a_column_is_carried_through_and_json_tells_all(model: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(text({"name": ["007", None], "sex": ["male", "none"], "age": [30, 31]}))
    assert predict(model, rows, "--id", "name", output="named.json").returncode == 0
    found = json.loads((model.parent / "named.json").read_text())
    assert [row["id"] for row in found["predictions"]] == ["007", None]
    assert set(found["predictions"][0]["probabilities"]) == {"no", "yes"}
    assert [(one["column"], one["what"], one["count"], one["rows"]) for one in found["unfamiliar"]] == [
        ("sex", "unknown", 1, [3])
    ]
    refused = predict(model, rows, "--id", "names")
    assert (refused.returncode, refused.stderr) == (
        2,
        "regsweep: id: the file has no column 'names'; it has 'name', 'sex', 'age'\n",
    )


def test_a_file_without_rows_is_refused(model: Path) -> None:
    refused = predict(model, INPUTS / "header_only_rows.csv")
    assert refused.returncode == 2
    assert "nothing to predict" in refused.stderr


def zipped(path: Path, **members: bytes | None) -> bytes:
    """The bytes of a zip of these members; a model and a preprocessing that are none, unless they are None."""
    chosen = {"model": b"no model", "preparation": b"no preprocessing"} | members
    names = {"model": "model.keras", "preparation": "preparation.skops"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in chosen.items():
            if content is not None:
                archive.writestr(names[part], content)
    return path.read_bytes()


def damaged(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


BAD: list[tuple[str, str]] = [
    ("lacks model", "holds no model.keras"),
    ("lacks preparation", "holds no preparation.skops"),
    ("damaged", "Bad CRC-32|invalid|incorrect"),
    ("damaged model", "no model that Keras can load|model.keras: File is not a zip file"),
    ("damaged preparation", "preparation.skops"),
    ("no zip", "File is not a zip file"),
    ("empty", "File is not a zip file"),
    ("large", "model.keras holds 70,000,000 bytes and a model at most 64,000,040"),
    ("large within", "the archive model.keras holds 70,000,000 bytes"),
    ("wide", r"units: 1073741824 is not a whole number from 1 to 65536"),
    ("heavy", r"has [\d,]+ parameters, which take [\d,]+ bytes; at most 64,000,040 are allowed"),
    ("active", r"has [\d,]+ activations of one row, which take [\d,]+ bytes; at most 64,000,040 are allowed"),
    ("code", "Lambda is not taken, for it runs code"),
    ("deep", "its config.json is nested too deep"),
    ("deep preparation", "preparation.skops holds no preprocessing: it is nested too deep"),
]


def reconfigured(of_model: bytes, file: Path, change: Callable[[Any], None]) -> bytes:
    """The bytes of a .keras file whose config is changed, and whose weights are as they were."""
    with zipfile.ZipFile(io.BytesIO(of_model)) as good, zipfile.ZipFile(file, "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            bad.writestr(name, content)
    return file.read_bytes()


def with_units(units: int, layers: int = 1) -> Callable[[Any], None]:
    """Make the first Dense layer so wide, and let it stand so often."""

    def change(config: Any) -> None:
        every = config["config"]["layers"]
        at = next(index for index, layer in enumerate(every) if layer["class_name"] == "Dense")
        every[at]["config"]["units"] = units
        every[at + 1 : at + 1] = [
            {**every[at], "config": {**every[at]["config"], "name": f"more_{index}"}} for index in range(layers - 1)
        ]

    return change


def upsampled(config: Any) -> None:
    """Put layers before the last that repeat each value, and need no weights."""
    layers = [
        {"class_name": "Reshape", "config": {"name": "images", "target_shape": [-1, 1]}},
        *({"class_name": "UpSampling1D", "config": {"name": f"up_{i}", "size": 64}} for i in range(4)),
        {"class_name": "GlobalAveragePooling1D", "config": {"name": "mean"}},
    ]
    config["config"]["layers"][-1:-1] = [{"module": "keras.layers", "registered_name": None} | one for one in layers]


def to_lambda(config: Any) -> None:
    config["config"]["layers"][-1]["class_name"] = "Lambda"


def nested(file: Path, name: str) -> bytes:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"[" * 100_000)
    return file.read_bytes()


@pytest.mark.parametrize(("kind", "said"), BAD, ids=[kind for kind, _ in BAD])
def test_a_zip_that_is_no_model_is_one_line(model: Path, tmp_path: Path, kind: str, said: str) -> None:
    good, file = zipfile.ZipFile(model), tmp_path / "bad.zip"
    of_model, of_preparation = good.read("model.keras"), good.read("preparation.skops")

    def rezipped(model: bytes) -> bytes:
        return zipped(file, model=model, preparation=of_preparation)

    makers: dict[str, Callable[[], bytes]] = {
        "lacks model": lambda: zipped(file, model=None),
        "lacks preparation": lambda: zipped(file, preparation=None),
        "damaged": lambda: damaged(zipped(file, model=bytes(range(256)) * 10), 60),
        "damaged model": lambda: zipped(file, model=of_model[: len(of_model) // 2], preparation=of_preparation),
        "damaged preparation": lambda: zipped(file, model=of_model, preparation=of_preparation[:300]),
        "no zip": lambda: b"age,sex\n1,2\n",
        "empty": lambda: b"",
        "large": lambda: zipped(file, model=bytes(70_000_000)),
        "wide": lambda: rezipped(reconfigured(of_model, file, with_units(2**30))),
        "heavy": lambda: rezipped(reconfigured(of_model, file, with_units(5000, 3))),
        "active": lambda: rezipped(reconfigured(of_model, file, upsampled)),
        "code": lambda: rezipped(reconfigured(of_model, file, to_lambda)),
        "deep": lambda: rezipped(nested(file, "config.json")),
        "deep preparation": lambda: zipped(file, model=of_model, preparation=nested(file, "schema.json")),
        "large within": lambda: zipped(file, model=zipped(file, model=bytes(70_000_000), preparation=None)),
    }
    file.write_bytes(makers[kind]())
    good.close()
    done = run_command(
        "predict",
        str(file),
        str(INPUTS / "two_levels_new.csv"),
        "-o",
        str(tmp_path / "p.csv"),
        REGSWEEP_MAX_PARAMETERS="1",
    )
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert re.search(said, done.stderr), done.stderr
    assert not (tmp_path / "p.csv").exists()
