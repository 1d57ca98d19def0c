"""The lane engine: trains many trials at once in the lanes of compiled programs, and refills each lane that is free."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from studies.datasets.preprocessing import PreparedData
from studies.spec.study import StudySpec
from studies.training.lane_group import LaneGroup
from studies.training.program import Program
from studies.training.program_key import ProgramShape
from studies.training.result import Engine, Job, Trials

#: Gives the program of a batch size and of folds that train on equally many rows.
ProgramOf = Callable[[int, Sequence[PreparedData]], Program]


def lane_engine(spec: StudySpec, shape: ProgramShape, program: ProgramOf) -> Engine:
    """The engine over the programs that a study's trainings need, each of the shape."""

    def run(data: Sequence[PreparedData], trials: Trials) -> None:
        groups: dict[tuple[int, int], LaneGroup] = {}
        while True:
            # Any group may have to take all the next trainings.
            free = min((group.free for group in groups.values()), default=shape.lanes)
            jobs = trials.next(free) if free else []
            for key, group_jobs in _by_program(jobs, data).items():
                if key not in groups:
                    batch_size, rows = key
                    folds = {index: fold for index, fold in enumerate(data) if fold.train_rows == rows}
                    groups[key] = LaneGroup(program(batch_size, list(folds.values())), folds, spec, shape.epochs)
                groups[key].start(group_jobs)
            busy = [group for group in groups.values() if group.busy]
            if not busy:
                return
            for group in busy:
                group.train(trials)

    return run


def _by_program(jobs: Sequence[Job], data: Sequence[PreparedData]) -> dict[tuple[int, int], list[Job]]:
    """The jobs by batch size and number of training rows: in the lanes of a group they are the same."""
    by_program: dict[tuple[int, int], list[Job]] = {}
    for job in jobs:
        by_program.setdefault((job.hyperparameters.batch_size, data[job.fold].train_rows), []).append(job)
    return by_program
