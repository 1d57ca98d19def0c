"""What a study asks for and does nothing."""

from __future__ import annotations

from studies.search.idle_parameters import rate_warnings
from studies.search.idle_pruners import pruner_warnings
from studies.spec.study import StudySpec


def warnings_of(spec: StudySpec) -> list[str]:
    """A sentence for each part of a study that does nothing; empty where all of them do something."""
    return [*rate_warnings(spec), *pruner_warnings(spec)]
