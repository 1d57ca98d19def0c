"""Whatever a read of the Optuna dashboard names and asks for, its answer is no 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from tests.service.conftest import served, settings_in
from tests.service.documents import document
from tests.service.ledgers import optunas

#: Of the dashboard, about two trials.
pytestmark = pytest.mark.filterwarnings("ignore:Target and region quantiles")

PLOTS = ["contour", "slice", "parallel_coordinate", "rank", "edf", "timeline", "pareto_front"]
#: Each read of a study; the artifacts are of none.
FRONT = "/api/studies/{study}/plot/pareto_front"
READS = [
    "/api/studies/{study}",
    "/api/studies/{study}/param_importances",
    *(f"/api/studies/{{study}}/plot/{plot}" for plot in PLOTS),
    "/csv/{study}",
]
ARTIFACTS = ["/artifacts/{study}/0-a", "/artifacts/{study}/{trial}/0-a"]
ODD_IDS = ["0", "99", "-1", "+1", "01x", "99999999999999999999", "9" * 5000, "1.5", "%D9%A1", "1%0A", "a", "%00", "%FF"]
ODD_NUMBERS = ["x", "", "-1", "1.5", "%D9%A1", "9" * 30, "9" * 5000, "NaN", "%00", "%FF", "1%0A", "1_0"]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with served(settings_in(tmp_path_factory.mktemp("reads"))) as client:
        client.post("/v1/studies", json=document("iris", 3)).raise_for_status()
        yield client


@pytest.fixture(scope="module")
def studies(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Optuna's ids of a study of ours, and of those that another program made."""
    folder = next(tmp_path_factory.getbasetemp().glob("reads*"))
    with optunas(settings_in(folder).database_url) as storage:
        ids = {"ours": storage.get_study_id_from_name("iris")}
        two = [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]
        for name in ("empty", "one", "two", "chosen", "日本 größe", "a\r\nb: c", "n" * 500):
            directions = two if name == "two" else two[:1]
            ids[name] = storage.create_new_study(directions, study_name=name)
        storage.set_study_system_attr(ids["chosen"], "preference:is_preferential", value=True)
        space = {"x": FloatDistribution(0.0, 1.0), "=y": CategoricalDistribution(["a", None, True])}
        for name, values in (("one", [0.5]), ("two", [0.5, 0.5])):
            for x in (0.1, 0.2):
                given: Any = {"x": x, "=y": None}
                storage.create_new_trial(ids[name], create_trial(values=values, params=given, distributions=space))
            storage.create_new_trial(ids[name], create_trial(state=TrialState.FAIL))
            storage.create_new_trial(ids[name], create_trial(state=TrialState.WAITING))
    return ids


def test_every_read_of_every_kind_of_study_is_answered(api: httpx.Client, studies: dict[str, int]) -> None:
    found = {(read, name): api.get(read.format(study=number)) for name, number in studies.items() for read in READS}
    failed = {asked: (one.status_code, one.text[:200]) for asked, one in found.items() if one.status_code >= 500}
    assert failed == {}
    assert found[READS[-1], "a\r\nb: c"].status_code == 404  # it would end the headers
    for name in studies.keys() - {"a\r\nb: c"}:
        for read in (READS[0], READS[-1]):
            assert found[read, name].status_code == 200
    assert {read: found[read, "one"].status_code for read in READS} == dict.fromkeys(READS, 200) | {FRONT: 404}
    assert found[FRONT, "two"].status_code == 200


@pytest.mark.parametrize("read", [*READS[:3], READS[-1], *ARTIFACTS])
def test_an_id_that_is_none_is_a_404(api: httpx.Client, studies: dict[str, int], read: str) -> None:
    for odd in ODD_IDS:
        answer = api.get(read.format(study=odd, trial=odd))
        assert answer.status_code == 404, (odd, answer.text)
        assert answer.json()["reason"]
    assert api.get(f"/api/studies/{studies['one']}/plot/pie").status_code == 404


@pytest.mark.parametrize(("read", "parameter"), [(READS[0], "after"), (READS[-1], "trial_ids")])
def test_a_parameter_that_is_no_number_is_a_422_that_names_it(
    api: httpx.Client, studies: dict[str, int], read: str, parameter: str
) -> None:
    path = read.format(study=studies["one"])
    for odd in ODD_NUMBERS:
        if (parameter, odd) == ("trial_ids", ""):  # as the page sends it where none is chosen
            continue
        refused = api.get(f"{path}?{parameter}={odd}")
        assert refused.status_code == 422, (odd, refused.text)
        assert refused.json()["errors"][0]["field"] == parameter
    assert api.get(f"{path}?{parameter}=1").status_code == 200
    for other in ("other=x", "a=1;after=x", "%FF=%FF"):
        assert api.get(f"{path}?{other}").status_code == 200


@pytest.mark.parametrize(
    "path", ["/api", "/api/nothing", "/api/studies/1/nothing", "/csv", "/artifacts", "/api/meta/x"]
)
def test_a_path_that_it_does_not_have_is_a_404(api: httpx.Client, path: str) -> None:
    for odd in (path, f"{path}/", f"{path}?after=x"):
        assert api.get(odd).status_code == 404
