"""Small real studies, and how tests follow them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.acceptance.polling import eventually

TRIALS = 6
SLOW_EPOCHS = {"fit": 20, "lanes": 3000}
ENDED = {"completed", "stopped", "failed"}


def document(name: str, trials: int = TRIALS, epochs: int = 3, **changes: Any) -> dict[str, Any]:
    """A study on iris that a worker runs in seconds."""
    return {
        "name": name,
        "dataset": {"kind": "builtin", "name": "iris"},
        "model": {"kind": "mlp", "hidden_units": [8]},
        "budget": {"trials": trials, "epochs": epochs},
        "seed": 5,
    } | changes


def slow(name: str, trials: int, engine: str = "fit") -> dict[str, Any]:
    """A study whose trials use all their epochs, enough of them to be seen running."""
    epochs = SLOW_EPOCHS[engine]
    return document(name, trials, epochs, space={"patience": epochs}, training={"engine": engine})


def file(folder: Path, text: dict[str, Any]) -> str:
    """A study file."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(text))
    return str(path)


def submit(api: httpx.Client, text: dict[str, Any]) -> dict[str, Any]:
    response = api.post("/v1/studies", json=text)
    assert response.status_code == 201, response.text
    study: dict[str, Any] = response.json()
    return study


def read(api: httpx.Client, name: str) -> dict[str, Any]:
    study: dict[str, Any] = api.get(f"/v1/studies/{name}").json()
    return study


def trials(api: httpx.Client, name: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.get(f"/v1/studies/{name}/trials", params={"limit": 1000}).json()["items"]
    return items


def ended(api: httpx.Client, name: str, seconds: float = 120) -> dict[str, Any]:
    """The study once it has ended and nothing of it runs."""

    def look() -> dict[str, Any] | None:
        study = read(api, name)
        return study if study["state"] in ENDED and study["progress"]["running"] == 0 else None

    study = eventually(look, seconds)
    assert study is not None
    return study


def finished(api: httpx.Client, name: str) -> list[dict[str, Any]]:
    return [trial for trial in trials(api, name) if trial["state"] in {"COMPLETE", "PRUNED", "FAIL"}]


def ran_exactly(api: httpx.Client, name: str, budget: int) -> None:
    """Every trial of the budget once, numbered without a gap, and none beside it; Optuna's book agrees."""
    study = read(api, name)
    progress = study["progress"]
    assert study["state"] == ("completed" if progress["complete"] else "failed")
    assert (progress["trials"], progress["running"], progress["waiting"]) == (budget, 0, 0)
    assert progress["complete"] + progress["pruned"] + progress["failed"] == budget
    assert [trial["number"] for trial in trials(api, name)] == list(range(budget))
    theirs = api.get(study["dashboard"].replace("/dashboard/", "/api/")).json()["trials"]
    assert [trial["number"] for trial in theirs] == list(range(budget))
    assert {trial["state"] for trial in theirs} <= {"Complete", "Pruned", "Fail"}
