"""Whatever a write of the Optuna dashboard says, its answer is no 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from service.storage.store import Store
from tests.service.conftest import served, settings_in
from tests.service.documents import document, study
from tests.service.ledgers import ledger, opened, optunas

JSON = {"content-type": "application/json"}
ODD: list[Any] = [
    None, True, -1, 10**18, 10**299, "x", "a\0b", "\ud800", "n" * 600, [1], ["x"], [99], [[]], {}, ["minimize"] * 200,
]  # fmt: skip
#: A body that each write takes; None where it reads none. The ids are those of `place`.
WRITES: dict[str, Any] = {
    "POST /api/studies": {"study_name": "new", "directions": ["minimize", "Maximize"]},
    "POST /api/studies/{study}/rename": {"study_name": "renamed"},
    "PUT /api/studies/{study}/note": {"version": 1, "body": "a note"},
    "PUT /api/studies/{study}/{waiting}/note": {"version": 1, "body": "a note"},
    "POST /api/studies/{study}/preference": {"mode": "ChooseWorst", "candidates": [0, 1], "clicked": 1},
    "PUT /api/studies/{study}/preference_feedback_component": {"output_type": "artifact", "artifact_key": "a"},
    "POST /api/studies/{study}/preference/nothing": None,
    "DELETE /api/studies/{study}/preference/nothing": None,
    "POST /api/artifacts/{study}": None,
    "POST /api/artifacts/{study}/{waiting}": None,
    "DELETE /api/artifacts/{study}/0-a": None,
    "DELETE /api/artifacts/{study}/{waiting}/0-a": None,
    "POST /api/studies/{study}/{waiting}/skip": None,
    "POST /api/trials/{waiting}/tell": {"state": "Complete", "values": [0.5]},
    "POST /api/trials/{waiting}/user-attrs": {"user_attrs": {"a": 1}},
    "DELETE /api/studies/{study}": {"remove_associated_artifacts": True},
}
IDS = [("{study}", 99), ("{study}", 10**30), ("{waiting}", 99), ("{waiting}", 10**30)]


def _odd_bodies(valid: Any) -> Iterator[bytes]:
    for odd in [*ODD, {}]:
        yield json.dumps(odd).encode()
    yield from (b"", b"{", b"\xff", b"NaN", b"[" * 5000, b'{"a": 1e999}', b'{"study_name": "a", "study_name": "b"}')
    for name in valid or ():
        yield json.dumps({key: value for key, value in valid.items() if key != name}).encode()
        for odd in ODD:
            yield json.dumps({**valid, name: odd}).encode()


class Place:
    """A server, and studies that another program made."""

    def __init__(self, folder: Path, api: httpx.Client) -> None:
        self.folder, self.api = folder, api
        self.url = settings_in(folder).database_url

    def new_study(self) -> dict[str, Any]:
        """Ids of a study of two trials, one complete and one that waits."""
        with optunas(self.url) as storage:
            of_study = storage.create_new_study([StudyDirection.MINIMIZE])
            storage.set_study_system_attr(of_study, "preference:is_preferential", value=True)
            complete = storage.create_new_trial(of_study, create_trial(value=0.5))
            waiting = storage.create_new_trial(of_study, create_trial(state=TrialState.WAITING))
        return {"study": of_study, "complete": complete, "waiting": waiting}

    def send(self, write: str, ids: dict[str, Any], body: bytes, headers: dict[str, str] = JSON) -> httpx.Response:
        method, path = write.split()
        answer = self.api.request(method, path.format(**ids), content=body, headers=headers)
        assert answer.status_code < 500, (write, body[:100], answer.text)
        if answer.status_code >= 400 and "reason" not in answer.json():
            raise AssertionError((write, body[:100], answer.text))  # which the dashboard shows
        return answer


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("bodies")
    with served(settings_in(folder, dashboard_writes=True)) as api:
        api.post("/v1/studies", json=document("iris", 3)).raise_for_status()
        yield Place(folder, api)


@pytest.mark.parametrize("write", WRITES)
def test_a_write_is_answered_whatever_it_says_and_whatever_it_names(place: Place, write: str) -> None:
    ids = place.new_study()
    valid = WRITES[write]
    for body in _odd_bodies(valid):
        if place.send(write, ids, body).status_code < 300:
            ids = place.new_study()
    right = json.dumps(valid).encode()
    for name, odd in IDS:
        if name in write:
            place.send(write.replace(name, str(odd)), ids, right)
    if valid is not None:
        for content_type in ("text/plain", "", "multipart/form-data; boundary=a"):
            assert place.send(write, ids, right, {"content-type": content_type}).status_code == 422
        for wrong in (b"[1]", b'"x"', b"3", b"{"):
            assert place.send(write, ids, wrong).status_code in {400, 422}
    passed = place.send(write, ids, right, {"content-type": "application/json ; charset=utf-8"})
    assert passed.status_code < 300 or valid is None
    if "/trials/" in write:
        ended = place.send(write, ids | {"waiting": ids["complete"]}, right)
        assert (ended.status_code, "has ended" in ended.json()["reason"]) == (409, True)


def test_a_preference_does_not_end_a_trial_of_ours(place: Place) -> None:
    store = Store(place.url)
    opened(ledger(store, place.folder / "artifacts", "iris"), study("iris", 3))
    of_study = store.optuna.get_study_id_from_name("iris")
    chosen = json.dumps(WRITES["POST /api/studies/{study}/preference"]).encode()
    refused = place.send("POST /api/studies/{study}/preference", {"study": of_study}, chosen)
    assert (refused.status_code, "trial 0 of 'iris' is not complete" in refused.json()["reason"]) == (409, True)
    assert "RUNNING" in {trial.state.name for trial in store.optuna.get_all_trials(of_study)}
    store.close()
