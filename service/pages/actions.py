"""What may be done with a study or a trial from its page: what its state and the key's scope allow, and no more."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote

from service.pages.viewer import Viewer
from service.storage.records import StudyRecord
from service.storage.states import StudyState, TrialState


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an action's form."""

    name: str  # in the request's body: "budget.trials"
    label: str
    kind: str  # "number" or "text"
    value: str
    low: int = 0


@dataclass(frozen=True, slots=True)
class Action:
    """A button that sends a request; with a question or fields, a dialog comes first."""

    id: str
    text: str
    method: str
    path: str
    question: str = ""
    field: Field | None = None
    then: str = ""  # the page to go to; empty to stay
    is_dangerous: bool = False

    @property
    def has_dialog(self) -> bool:
        """Whether a dialog comes before the request."""
        return bool(self.question) or self.field is not None


def study_actions(
    study: StudyRecord, possible: Collection[StudyState], is_active: bool, viewer: Viewer
) -> list[Action]:
    """The actions of a study; its comparison's parts have none, for they are steered with it."""
    if study.parent_id is not None:
        return []
    path, trials = f"/v1/studies/{quote(study.name, safe='')}", study.spec["budget"]["trials"]
    actions = []
    if StudyState.PAUSED in possible:
        actions.append(Action("pause", "Pause", "POST", f"{path}/pause"))
    if StudyState.RUNNING in possible:
        actions.append(Action("resume", "Resume", "POST", f"{path}/resume"))
    if StudyState.STOPPED in possible:
        question = "Running trials are cut at their next epoch. What has ended is kept."
        actions.append(Action("stop", "Stop", "POST", f"{path}/stop", question))
    if study.comparison is None:
        question = (
            "Each technique is searched alone, and its best is confirmed on folds; then this page says which one to "
            "use. That takes several times as long as the study."
        )
        actions.append(Action("compare", "Compare techniques", "POST", f"{path}/comparison", question))
    field = Field("budget.trials", "Trials in all", "number", str(2 * trials), trials + 1)
    question = f"The study has {trials} trials. One that has ended runs again."
    actions.append(Action("extend", "More trials", "PATCH", path, question, field))
    question = f"Deletes '{study.name}' with its trials, models and comparison, for everybody and for ever."
    address = f"{path}?force=true" if is_active else path
    actions.append(Action("delete", "Delete", "DELETE", address, question, then="/", is_dangerous=True))
    return [action for action in actions if viewer.may(action.method, action.path.partition("?")[0])]


def trial_actions(study: StudyRecord, number: int, state: str, viewer: Viewer) -> list[Action]:
    """The actions of a trial."""
    path = f"/v1/studies/{quote(study.name, safe='')}/trials/{number}/invalidate"
    has_ended = state in {TrialState.COMPLETE, TrialState.PRUNED}
    if study.parent_id is not None or not has_ended or not viewer.may("POST", path):
        return []
    question = "The sampler forgets the trial, and no ranking shows it any more."
    field = Field("reason", "Reason", "text", "by the user")
    return [Action("invalidate", "Mark invalid", "POST", path, question, field, is_dangerous=True)]
