"""What may be done with a study or a trial from its page: what its state and the key's scope allow, and no more."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any
from urllib.parse import quote

from service.pages.viewer import Viewer
from service.storage.records import StudyRecord
from service.storage.states import StudyState, TrialState
from studies.spec.budget import seconds_text
from studies.spec.comparison import ComparisonSpec
from studies.spec.study import MAX_WORKERS


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an action's form."""

    name: str  # in the request's body: "budget.trials"
    label: str
    kind: str  # "number" or "text"
    value: object
    low: int = 0
    high: int | None = None
    is_required: bool = True  # a number that may be left empty is null then


@dataclass(frozen=True, slots=True)
class Action:
    """A button that sends a request; with a question or fields, a dialog comes first."""

    id: str
    text: str
    method: str
    path: str
    question: str = ""
    fields: Sequence[Field] = ()
    then: str = ""  # the page to go to; empty to stay
    is_dangerous: bool = False

    @property
    def has_dialog(self) -> bool:
        """Whether a dialog comes before the request."""
        return bool(self.question or self.fields)


def study_actions(
    study: StudyRecord, possible: Collection[StudyState], is_active: bool, viewer: Viewer
) -> list[Action]:
    """The actions of a study; its comparison's parts have none, for they are steered with it."""
    if study.parent_id is not None:
        return []
    path = f"/v1/studies/{quote(study.name, safe='')}"
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
        asked = ComparisonSpec()
        fields = [
            Field("trials_per_technique", "Trials of each technique", "number", asked.trials_per_technique, 1, 10_000),
            Field("repeats", "Repeats of the confirmation", "number", asked.repeats, 1, 100),
            Field("folds", "Folds of the confirmation", "number", asked.folds, 2, 20),
        ]
        actions.append(Action("compare", "Compare techniques", "POST", f"{path}/comparison", question, fields))
    actions.append(_extend(path, study.spec["budget"]))
    if is_active:
        actions.append(_change(path, study))
    question = f"Deletes '{study.name}' with its trials, models and comparison, for everybody and for ever."
    address = f"{path}?force=true" if is_active else path
    actions.append(Action("delete", "Delete", "DELETE", address, question, then="/", is_dangerous=True))
    return [action for action in actions if viewer.may(action.method, action.path.partition("?")[0])]


def _extend(path: str, budget: Mapping[str, Any]) -> Action:
    """More trials; more time too, where the study's is limited, for it may be used up."""
    trials, seconds = budget["trials"], budget.get("timeout_seconds")
    fields = [Field("budget.trials", "Trials in all", "number", 2 * trials, trials + (seconds is None))]
    text, has = "More trials", f"{trials} trials"
    if seconds is not None:
        fields.append(Field("budget.timeout_seconds", "Seconds in all", "number", ceil(2 * seconds), ceil(seconds)))
        text, has = f"{text} or time", f"{has} and {seconds_text(seconds)} seconds"
    return Action("extend", text, "PATCH", path, f"The study has {has}. One that has ended runs again.", fields)


def _change(path: str, study: StudyRecord) -> Action:
    """Priority and most workers; of a reproducible study the latter settles its table, and stays."""
    fields = [Field("priority", "Priority", "number", study.priority, -1000, 1000)]
    text, question = "Priority", "Workers serve the studies of the highest priority first."
    if not study.spec.get("reproducible"):
        most = "" if study.max_workers is None else study.max_workers
        label = "Most workers at once, empty for no limit"
        fields.append(Field("max_workers", label, "number", most, 1, MAX_WORKERS, is_required=False))
        text = "Priority and workers"
        question += " Workers that are too many end their trials and claim no more."
    return Action("change", text, "PATCH", path, question, fields)


def trial_actions(study: StudyRecord, number: int, state: str, viewer: Viewer) -> list[Action]:
    """The actions of a trial."""
    path = f"/v1/studies/{quote(study.name, safe='')}/trials/{number}/invalidate"
    has_ended = state in {TrialState.COMPLETE, TrialState.PRUNED}
    if study.parent_id is not None or not has_ended or not viewer.may("POST", path):
        return []
    question = "The sampler forgets the trial, and no ranking shows it any more."
    field = Field("reason", "Reason", "text", "by the user")
    return [Action("invalidate", "Mark invalid", "POST", path, question, [field], is_dangerous=True)]
