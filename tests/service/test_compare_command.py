"""`regsweep compare`: a study file or a study's name, one comparison however often it is asked, and the answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from tests.service.commanding import regsweep, study_file
from tests.service.comparing import ASKED, TECHNIQUES, diverge, sweep_as_worker, work
from tests.service.documents import document

FLAGS = [
    "--trials-per-technique", "2", "--repeats", "2", "--folds", "2",
    *(word for technique in TECHNIQUES for word in ("--technique", technique)),
]  # fmt: skip


#: What the flags say.
FLAGGED = {field: ASKED[field] for field in ("techniques", "repeats", "folds", "trials_per_technique")}


def _server(api: httpx.Client) -> str:
    return str(api.base_url).rstrip("/")


def _asked(api: httpx.Client, name: str = "iris") -> dict[str, object]:
    spec = api.get(f"/v1/studies/{name}/comparison").json()["spec"]
    return {field: spec[field] for field in FLAGGED}


@pytest.mark.parametrize("own", [None, {"repeats": 7, "trials_per_technique": 2}])
def test_a_study_file_is_submitted_with_a_comparison(
    api: httpx.Client, tmp_path: Path, own: dict[str, int] | None
) -> None:
    text = document("my iris") | ({} if own is None else {"comparison": own})
    ran = regsweep(_server(api), "compare", study_file(tmp_path, text), *FLAGS[2:])
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "my iris\nNext: regsweep watch 'my iris'\n"
    expected = FLAGGED | {"trials_per_technique": 30 if own is None else 2}  # a flag goes before the file
    assert _asked(api, "my iris") == expected
    assert api.get("/v1/studies/my iris").json()["spec"]["comparison"] is not None


def test_a_study_that_is_there_is_compared_by_its_name(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    ran = regsweep(_server(api), "compare", "iris", *FLAGS, "--server", _server(api))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == f"iris\nNext: regsweep watch iris --server {_server(api)}\n"
    assert _asked(api) == FLAGGED


def test_a_comparison_that_there_is_stays_the_only_one_and_how_it_stands_is_said(
    api: httpx.Client, tmp_path: Path
) -> None:
    file = study_file(tmp_path, document())
    assert regsweep(_server(api), "compare", file, *FLAGS).returncode == 0
    parts = api.get("/v1/studies/iris/comparison").json()["parts"]
    for what in ("iris", file):
        again = regsweep(_server(api), "compare", what)
        assert (again.returncode, again.stdout) == (0, "iris\nNext: regsweep watch iris\n")
        assert "'iris' has a comparison already, which is searching: 0 of " in again.stderr
    assert api.get("/v1/studies/iris/comparison").json()["parts"] == parts
    assert [study["name"] for study in api.get("/v1/studies").json()["items"]] == ["iris"]


def test_a_file_of_a_study_that_was_submitted_without_one_has_that_study_compared(
    api: httpx.Client, tmp_path: Path
) -> None:
    file = study_file(tmp_path, document())
    assert regsweep(_server(api), "submit", file).stdout == "iris\n"
    ran = regsweep(_server(api), "compare", file, *FLAGS)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert _asked(api) == FLAGGED


@pytest.mark.parametrize(
    ("changed", "arguments", "words"),
    [
        ({}, ["nowhere"], "there is no study named 'nowhere'"),
        ({}, ["/nowhere.yaml"], "cannot read /nowhere.yaml"),
        ({}, ["iris", "--model", "model.json"], "--model goes with a study file"),
        ({}, ["iris", "--technique", "l1", "--technique", "lasso"], "techniques.1: 'lasso' is not known"),
        ({"seed": 4}, ["FILE"], "another study is named 'iris'"),
        ({"comparison": [1]}, ["FILE"], "comparison: must be a JSON object"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_exit_2(
    api: httpx.Client, tmp_path: Path, changed: dict[str, object], arguments: list[str], words: str
) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    file = study_file(tmp_path, document() | changed)
    refused = regsweep(_server(api), "compare", *(file if word == "FILE" else word for word in arguments))
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1), refused.stderr
    assert words in refused.stderr
    assert api.get("/v1/studies/iris").json()["comparison"] is None


def test_waiting_follows_a_comparison_to_its_end_and_shows_the_answer(
    api: httpx.Client, store: Store, database: Path, folder: Path, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as pool:
        file = study_file(tmp_path, document() | {"comparison": ASKED})
        assert regsweep(_server(api), "compare", file).returncode == 0
        waiting = pool.submit(regsweep, _server(api), "compare", "iris", "--wait")
        work(store, folder)
        ran = waiting.result(60)
    assert ran.returncode == 0, ran.stderr
    answer = api.get("/v1/studies/iris/comparison").json()["result"]["recommendation"]
    shown = " ".join(ran.stdout.split())
    assert [line for line in answer["lines"] if " ".join(line.split()) not in shown] == []
    assert ran.stdout.splitlines()[-4:] == [
        "Report:   regsweep report iris -o iris.html",
        "Model:    regsweep model iris --technique recommended -o iris.keras",
        f"Page:     {str(api.base_url).rstrip('/')}/studies/iris",
        "Next: regsweep report iris -o iris.html",
    ]
    assert max(map(len, ran.stdout.splitlines())) <= 80
    # What has ended is shown at once, by the other commands too.
    for command in ("watch", "show"):
        shown = " ".join(regsweep(_server(api), command, "iris").stdout.split())
        assert all(" ".join(line.split()) in shown for line in answer["lines"])
        assert shown.endswith("Next: regsweep report iris -o iris.html")


def test_watching_a_study_that_ends_without_a_complete_trial_is_exit_1_and_says_why(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    api.post("/v1/studies", json=document(trials=2)).raise_for_status()
    assert sweep_as_worker(store, folder, "iris", diverge) == 2
    ran = regsweep(_server(api), "watch", "iris", columns=200)
    assert ran.returncode == 1
    assert "iris is failed (no trial is complete: 2 failed; most often: DivergedError: loss became nan" in ran.stdout
    assert regsweep(_server(api), "show", "iris").returncode == 0


def test_waiting_for_a_comparison_that_ends_without_an_answer_is_exit_1(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document() | {"comparison": ASKED}).raise_for_status()
    api.post("/v1/studies/iris/stop").raise_for_status()
    ran = regsweep(_server(api), "compare", "iris", "--wait")
    assert ran.returncode == 1
    assert "The comparison of techniques is stopped and has no result." in ran.stdout


def test_a_comparison_of_which_a_part_failed_says_why(api: httpx.Client, store: Store) -> None:
    api.post("/v1/studies", json=document() | {"comparison": ASKED}).raise_for_status()
    for name in ("iris", *(part["name"] for part in api.get("/v1/studies/iris/comparison").json()["parts"])):
        WorkerStore(store).fail_study(store.study(name).id, "no memory", "a")
    ran = regsweep(_server(api), "compare", "iris", "--wait", columns=200)
    assert ran.returncode == 1
    assert "The search of L1 is failed: no memory" in ran.stdout, ran.stdout


def test_what_a_user_takes_away_of_a_technique_is_asked_by_its_name(
    api: httpx.Client, store: Store, database: Path, folder: Path, tmp_path: Path
) -> None:
    api.post("/v1/studies", json=document() | {"comparison": ASKED}).raise_for_status()
    work(store, folder)
    path = "/v1/studies/iris/snippet"
    for technique, params in (("recommended", {"technique": "recommended"}), ("l1", {"technique": "l1"}), (None, {})):
        chosen = [] if technique is None else ["--technique", technique]
        assert regsweep(_server(api), "snippet", "iris", *chosen).stdout == api.get(path, params=params).text
    output = tmp_path / "model.keras"
    ran = regsweep(_server(api), "model", "iris", "--technique", "l1", "-o", str(output))
    assert (ran.stdout, output.read_bytes()) == (f"{output}\n", b"weights")
    refused = regsweep(_server(api), "model", "iris", "--technique", "l1+dropout")
    assert refused.returncode == 2
    assert refused.stderr.startswith("regsweep: the comparison of study 'iris' has no l1+dropout; it compared none")
