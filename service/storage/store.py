"""Queries of the API and the command line about studies and trials.

Those about comparisons are in comparison_store.py, those of workers in worker_store.py and ledger.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from service.errors import ConflictError, NameInUseError, NotFoundError
from service.storage import (
    comparisons,
    database,
    dataset_files,
    extending,
    history,
    lifecycle,
    missing_from_optuna,
    progress,
    quotas,
    ranking,
    repeats,
    schema,
    transactions,
    user_trials,
)
from service.storage.access import Access
from service.storage.history import Change
from service.storage.pagination import Cursor, Page, Sort, listing_id
from service.storage.progress import Progress
from service.storage.records import AttemptRecord, ChangeRecord, CurveRecord, StudyRecord, TrialRecord, asked
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, LIVE_STUDY, StudyState, TrialState
from studies.spec.budget import seconds_text
from studies.spec.differences import differences
from studies.spec.name import normalize
from studies.spec.study import StudySpec

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


#: For each state that a user may put a study into: the states it may come from, and the verb.
_CHANGES: dict[StudyState, tuple[Sequence[StudyState], Change]] = {
    StudyState.PAUSED: (LIVE_STUDY, Change.PAUSED),
    StudyState.RUNNING: ((StudyState.PAUSED,), Change.RESUMED),
    StudyState.STOPPED: (ACTIVE_STUDY, Change.STOPPED),
}


class Store:
    """Studies and trials in the database, of the projects that its `access` sees.

    Every method is one transaction. Methods that take a name raise NotFoundError when no study has it.
    """

    def __init__(self, url: str, access: Access | None = None) -> None:
        self.url, self.access = url, access or Access()
        self._opened = self  # which has Optuna's storage, also for those who share the connections
        self.engine = database.connect(url)
        try:
            schema.prepare(self.engine)
        finally:
            # A store that could not be made has no owner to close it; one that was made connects again.
            self.engine.dispose()
        self._write = sessionmaker(self.engine, expire_on_commit=False)
        self._read = sessionmaker(database.reading(self.engine), expire_on_commit=False)

    def accessed_by(self, access: Access) -> Store:
        """The same store as somebody else may use it."""
        store = copy(self)
        store.access = access
        return store

    @property
    def optuna(self) -> RDBStorage:
        """Optuna's storage on the same database; made when first needed, for Optuna is slow to import."""
        return self._opened._optuna

    @cached_property
    def _optuna(self) -> RDBStorage:
        return transactions.optuna_storage(self.url)

    def reading(self) -> Session:
        """A session that only reads; it never waits for writers."""
        session = self._read()
        self.access.limit(session)
        return session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction over our tables alone; commits at the block's end."""
        with self._write.begin() as session:
            self.access.limit(session)
            yield session

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A transaction over our tables and Optuna's; commits at the block's end."""
        with transactions.transaction(self.optuna) as session, self.access.limiting(session):
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        if "_optuna" in self.__dict__:
            self.optuna.engine.dispose()

    # Studies

    def create_study(self, spec: StudySpec, project: str | None = None) -> StudyRecord:
        """Accept a study; see `accept`."""
        with self.transaction() as session:
            name = self.accept(session, spec, project).name
        return self.study(name)

    def accept(self, session: Session, spec: StudySpec, project: str | None = None) -> StudyRecord:
        """Add a study to a `transaction`: its record, its whole budget, its Optuna study, and its comparison.

        Without a project it goes where `Access.choose` says.

        Raises NotFoundError when there is no such project, QuotaError when that has as much as it may.
        Raises NameInUseError when a study has its name.
        Raises InvalidSpecError when it names a dataset, a study to start warm from or a technique that it cannot use.
        """
        from optuna.exceptions import DuplicatedStudyError

        if spec.name is None:
            raise ValueError("a study needs a name before it is stored")
        project = self.access.choose(project)
        with quotas.admitting(session, self.access, project):
            dataset_files.check_dataset_exists(session, spec.dataset, project)
            conflict = self.name_conflict(session, spec)
            if conflict is not None:
                raise conflict
            try:
                study = lifecycle.create(session, self.optuna, spec, spec.name, project)
                study.created_by = self.access.name
                history.record(session, study, self.access.name, Change.SUBMITTED)
                user_trials.copy_warm_start_trials(session, study)
                if spec.comparison is not None:
                    study.compared_by = self.access.name
                    comparisons.begin(session, self.optuna, study, spec.comparison)
                session.flush()
                transactions.note(session, "study.submitted", study.id, study=study.name)
            except (sa.exc.IntegrityError, DuplicatedStudyError):
                raise NameInUseError(spec.name, is_seen=False) from None
        return study

    def name_conflict(self, session: Session, spec: StudySpec) -> NameInUseError | None:
        """The error that says which study has a new one's name, and how they differ; None while the name is free."""
        if spec.name is None:
            return None
        study = session.scalar(sa.select(StudyRecord).where(StudyRecord.name == spec.name))
        if study is None and comparisons.name_in_use(session, [spec.name]) is None:
            return None
        # Where only Optuna has a study of that name, or another project has, nothing is said of it.
        if study is None:
            return NameInUseError(spec.name, is_seen=False)
        return NameInUseError(spec.name, differences(study.parsed_spec, spec))

    def study(self, name: str) -> StudyRecord:
        """One study."""
        with self.reading() as session:
            return lifecycle.find(session, name)

    def studies(
        self,
        state: StudyState | None,
        limit: int,
        cursor: Cursor | None,
        name_part: str = "",
        project: str | None = None,
    ) -> Page[StudyRecord]:
        """A page of the studies whose names hold a text, newest first, without the parts of comparisons.

        Raises OtherListingError when the cursor is not of this listing, NotFoundError when there is no such project.
        """
        name_part = normalize(name_part)
        named = [] if project is None else [f"of {project}"]
        listing = listing_id("studies", state, *([name_part] if name_part else []), *named)
        query = sa.select(StudyRecord).where(StudyRecord.parent_id.is_(None))
        query = query.order_by(StudyRecord.id.desc()).limit(limit + 1)
        if state is not None:
            query = query.where(StudyRecord.state == state)
        if name_part:
            holds = StudyRecord.name.icontains(name_part, autoescape=True)
            query = query.where(holds if name_part.isprintable() else sa.false())
        if cursor is not None:
            cursor.check(listing)
            query = query.where(StudyRecord.id < cursor.after)
        with self.reading() as session:
            if project is not None:
                query = query.where(StudyRecord.project == quotas.find_project(session, self.access, project).name)
            studies = session.scalars(query).all()
        return Page.cut(studies, limit, lambda study: Cursor(listing, 0, None, study.id))

    def dashboard_ids(self, names: Iterable[str]) -> dict[str, int]:
        """Optuna's id of each study, by name; the dashboard's addresses hold it."""
        optuna_studies = sa.table("studies", sa.column("study_id"), sa.column("study_name"))
        query = sa.select(optuna_studies.c.study_name, optuna_studies.c.study_id).where(
            optuna_studies.c.study_name.in_(list(names))
        )
        with self.reading() as session:
            return {row.study_name: row.study_id for row in session.execute(query)}

    def problems(self, studies: Sequence[StudyRecord]) -> dict[int, str]:
        """What is wrong with each study that workers cannot serve; see missing_from_optuna.py."""
        with self.reading() as session:
            return missing_from_optuna.problems(session, studies)

    def progress(self, studies: Sequence[StudyRecord]) -> dict[int, Progress]:
        """The trial counts of each study, by the study's id."""
        with self.reading() as session:
            return progress.count_trials(session, studies)

    def set_state(self, name: str, to: StudyState, etags: Collection[str] | None = None) -> StudyRecord:
        """Pause, resume or stop a study with its comparison: `to` is PAUSED, RUNNING or STOPPED.

        Raises ConflictError when its state does not allow that, PreconditionError when no etag is its own.
        """
        allowed, verb = _CHANGES[to]
        with self.transaction() as session:
            study = lifecycle.find(session, name, lock=True)
            lifecycle.check_etag(study, etags)
            comparing = study.comparison_state in ACTIVE_COMPARISON
            if study.state not in (to, *allowed) and not comparing:
                raise ConflictError(
                    f"study '{name}' is {study.state} and cannot be {verb}; only a {' or '.join(allowed)} one can"
                )
            if to in self.possible_states(study):
                history.record(session, study, self.access.name, verb)
            lifecycle.count_pause(session, study, to)
            if to == StudyState.STOPPED:
                comparisons.stop(session, self.optuna, study)
                comparisons.end(session, self.optuna, study, StudyState.STOPPED, "stopped by the user")
            else:
                comparisons.set_parts_state(session, study, to)
                if study.state in allowed or comparing:
                    event = "study.paused" if to == StudyState.PAUSED else "study.resumed"
                    transactions.note(session, event, study.id, study=study.name)
                if study.state in allowed:
                    study.state = StudyState.QUEUED if to == StudyState.RUNNING and study.started_at is None else to
        return self.study(name)

    def possible_states(self, study: StudyRecord) -> frozenset[StudyState]:
        """The states that `set_state` would change something with: PAUSED, RUNNING (to resume) and STOPPED."""
        comparing = study.comparison_state in ACTIVE_COMPARISON
        possible = {to for to, (allowed, _) in _CHANGES.items() if study.state in allowed or comparing}
        # Once it has ended, its comparison alone is paused.
        is_paused = study.state == StudyState.PAUSED or (comparing and study.paused_at is not None)
        return frozenset(possible - {StudyState.PAUSED if is_paused else StudyState.RUNNING})

    def change(
        self,
        name: str,
        *,
        priority: int | None = None,
        budget: Mapping[str, Any] | None = None,
        etags: Collection[str] | None = None,
        max_active: int | None = None,
    ) -> StudyRecord:
        """Set the priority of a study and of its comparison's parts, extend its budget, or both; see extending.extend.

        Raises PreconditionError when no etag is its own.
        """
        with self.transaction() as session:
            study = lifecycle.find(session, name, lock=True)
            lifecycle.check_etag(study, etags)
            if budget:
                before = study.spec["budget"]
                with quotas.admitting(session, self.access, study.project):
                    extending.extend(session, study, budget, max_active)
                if study.spec["budget"] != before:
                    history.record(session, study, self.access.name, Change.EXTENDED, _say_budget(study))
            if priority is not None:
                if priority != study.priority:
                    history.record(session, study, self.access.name, Change.PRIORITY, f"to {priority}")
                together = sa.or_(StudyRecord.id == study.id, StudyRecord.parent_id == study.id)
                session.execute(sa.update(StudyRecord).where(together).values(priority=priority))
            changed = dict(budget or {}) | ({} if priority is None else {"priority": priority})
            if changed:
                transactions.note(session, "study.changed", study.id, study=study.name, **changed)
        return self.study(name)

    def delete_study(
        self, name: str, *, force: bool, etags: Collection[str] | None = None, reason: str | None = None
    ) -> list[int]:
        """Delete a study with all its trials and its comparison, here and in Optuna; return the ids.

        The audit tells the `reason` if there is one.

        Raises ConflictError when it is a part of a comparison, or active and not `force`.
        Raises PreconditionError when no etag is its own.
        """
        with self.transaction() as session:
            study = lifecycle.find(session, name, lock=True)
            lifecycle.check_etag(study, etags)
            if study.parent_id is not None:
                raise ConflictError(f"'{name}' is a part of a comparison; delete the comparison of its study instead")
            active = study.state if study.state in ACTIVE_STUDY else study.comparison_state
            if active in (*ACTIVE_STUDY, *ACTIVE_COMPARISON) and not force:
                raise ConflictError(
                    f"study '{name}' is {active}; stop it first, or delete with ?force=true and lose its trials"
                )
            together = *comparisons.parts(session, study), study
            transactions.note(session, "study.deleted", study.id, study=study.name, reason=reason)
            return [lifecycle.remove(session, self.optuna, each) for each in together]

    # Trials

    def trials(
        self, name: str, states: Sequence[TrialState], sort: Sort, limit: int, cursor: Cursor | None
    ) -> Page[TrialRecord]:
        """A page of a study's trials that were asked.

        Raises OtherListingError when the cursor is not of this listing.
        """
        with self.reading() as session:
            study = lifecycle.find(session, name)
            listing = listing_id("trials", study.id, sort, *sorted(set(states)))
            order = sort.towards(study.parsed_spec.directions[0])
            query = _asked_trials(study).order_by(*order.order())
            if states:
                query = query.where(TrialRecord.state.in_(states))
            if cursor is not None:
                cursor.check(listing)
            trials: list[TrialRecord] = []
            for group, condition in order.groups(states).items():
                lacking = limit + 1 - len(trials)
                of_group = query.where(condition).limit(lacking)
                if not lacking or (cursor is not None and group < cursor.group):
                    continue
                if cursor is not None and group == cursor.group:
                    of_group = of_group.where(order.beyond(cursor))
                trials += session.scalars(of_group)
        return Page.cut(trials, limit, lambda trial: order.cursor(trial, listing))

    def trial(self, name: str, number: int) -> TrialRecord:
        """One trial.

        Raises NotFoundError when the study has none of this number.
        """
        with self.reading() as session:
            trial = session.scalar(_asked_trials(lifecycle.find(session, name)).where(TrialRecord.number == number))
        if trial is None:
            raise NotFoundError(f"study '{name}' has no trial {number}")
        return trial

    def curve(self, trial: TrialRecord) -> dict[str, Any] | None:
        """A trial's learning curve, of a running one that of the epochs so far; None when it gave no result."""
        record = self._curve_record(trial)
        return None if record is None else record.curve

    def detail(self, trial: TrialRecord) -> dict[str, Any] | None:
        """A finished trial's TrialResult.detail: its weights by layer, and its folds; None when it gave no result."""
        record = self._curve_record(trial)
        return None if record is None else record.detail

    def _curve_record(self, trial: TrialRecord) -> CurveRecord | None:
        with self.reading() as session:
            return session.get(CurveRecord, trial.id)

    def best(self, study: StudyRecord) -> list[TrialRecord]:
        """The best complete trial, or the Pareto front of several objectives; empty when none is complete."""
        with self.reading() as session:
            return ranking.best_trials(session, study)

    def best_by_study(self, studies: Sequence[StudyRecord]) -> dict[int, TrialRecord]:
        """The best complete trial of each study of one objective that has one, by the study's id."""
        with self.reading() as session:
            return ranking.best_by_study(session, studies)

    def repeat_values(self, study: StudyRecord, number: int | None) -> list[float]:
        """The values of a trial's params under other seeds; empty of a trial that was not the best."""
        with self.reading() as session:
            return repeats.values(session, study, number)

    def attempts(self, trial: TrialRecord) -> list[AttemptRecord]:
        """Every attempt at a trial, in order."""
        query = sa.select(AttemptRecord).where(AttemptRecord.trial_id == trial.id).order_by(AttemptRecord.attempt)
        with self.reading() as session:
            return list(session.scalars(query))

    def mark_invalid(self, name: str, number: int, reason: str, etags: Collection[str] | None = None) -> TrialRecord:
        """Make a finished trial FAIL: no sampler learns from it, and no ranking shows it.

        Raises PreconditionError when no etag is the study's, else as user_trials.mark_invalid.
        """
        with self.transaction() as session:
            study = lifecycle.find(session, name, lock=True)
            lifecycle.check_etag(study, etags)
            user_trials.mark_invalid(session, study, number, reason)
            history.record(session, study, self.access.name, Change.INVALIDATED, f"{number}: {reason}")
            transactions.note(session, "trial.invalidated", study.id, study=study.name, trial=number)
        return self.trial(name, number)

    def changes(self, name: str, limit: int, cursor: Cursor | None) -> Page[ChangeRecord]:
        """A page of what was done with a study, the latest first.

        Raises OtherListingError when the cursor is not of this listing.
        """
        with self.reading() as session:
            return history.read(session, lifecycle.find(session, name), limit, cursor)


def _say_budget(study: StudyRecord) -> str:
    budget = study.parsed_spec.budget
    time = "" if budget.timeout_seconds is None else f" and {seconds_text(budget.timeout_seconds)} seconds"
    return f"to {budget.trials} trials{time}"


def _asked_trials(study: StudyRecord) -> sa.Select[TrialRecord]:
    return sa.select(TrialRecord).where(TrialRecord.study_id == study.id, asked())
