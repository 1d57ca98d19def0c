"""The states of studies, comparisons, trials and attempts, spelled as in the database and the API."""

from __future__ import annotations

from enum import StrEnum


class StudyState(StrEnum):
    """The stages of a study's life."""

    QUEUED = "queued"  # accepted; no worker has claimed a trial of it
    RUNNING = "running"  # a worker has claimed a trial
    PAUSED = "paused"  # by a user: nothing is claimed until it is resumed
    COMPLETED = "completed"  # its budget is used up, trials or seconds
    STOPPED = "stopped"  # by a user
    FAILED = "failed"  # it cannot be run, too many of its trials failed, or none is complete


#: States in which workers claim trials.
LIVE_STUDY = (StudyState.QUEUED, StudyState.RUNNING)
#: States of a study that has not ended.
ACTIVE_STUDY = (*LIVE_STUDY, StudyState.PAUSED)
#: States of a study that has.
ENDED_STUDY = (StudyState.COMPLETED, StudyState.STOPPED, StudyState.FAILED)


class ComparisonState(StrEnum):
    """The stages of a comparison's life."""

    SEARCHING = "searching"  # each technique's best parameters, in a study of its own
    CONFIRMING = "confirming"  # trains those parameters on the same folds, in rounds
    DELIVERING = "delivering"  # in the API's schema, and never set: the last round of the confirmation delivers
    COMPLETED = "completed"
    STOPPED = "stopped"  # by a user
    FAILED = "failed"  # fewer than two techniques have a complete trial, or the confirmation failed


#: States of a comparison that has not ended.
ACTIVE_COMPARISON = (ComparisonState.SEARCHING, ComparisonState.CONFIRMING)


class TrialState(StrEnum):
    """The state of a budget row and its trial, in Optuna's words."""

    WAITING = "WAITING"  # for its first worker, or for another one
    RUNNING = "RUNNING"  # a worker holds its lease
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"  # ended early: by a pruner, or with its study
    FAIL = "FAIL"  # gave no value, used its attempts up, or was marked invalid


#: States of a trial that has not ended.
OPEN_TRIAL = (TrialState.WAITING, TrialState.RUNNING)
#: States of a trial that has ended.
ENDED_TRIAL = frozenset(TrialState) - {*OPEN_TRIAL}


class Ending(StrEnum):
    """The end of an attempt at a trial."""

    TOLD = "told"  # the trial ended with it
    LOST = "lost"  # its worker died, or gave no sign of life
    HUNG = "hung"  # its worker lived, and its training did not go on
    FAILED = "failed"  # an error in training
    OUT_OF_MEMORY = "out of memory"


class Activity(StrEnum):
    """What a worker does."""

    WAITING_FOR_NODE = "waiting for a node"  # of a cluster, that has room for it
    CANNOT_START = "cannot start"  # it ended before it was ready, and another is tried; the log says why
    LOADING_TENSORFLOW = "loading TensorFlow"  # it has just started
    IDLE = "idle"
    LOADING_DATA = "loading data"
    COMPILING = "compiling"  # or tracing a model
    TRAINING = "training"
    PUBLISHING = "publishing"  # the report of an ended study


class FleetKind(StrEnum):
    """Who started a worker, and keeps it running."""

    LOCAL = "local"  # a server or a command on the same machine
    RAY = "ray"
    OWN = "own"  # a person, a container, or whoever ran `regsweep worker`


class Event(StrEnum):
    """What webhooks are told of."""

    STUDY_ENDED = "study.ended"
    COMPARISON_ENDED = "comparison.ended"
    TEST = "webhook.test"  # asked for by a user, and sent to one webhook alone


class DeliveryStatus(StrEnum):
    """The stages of a delivery to a webhook."""

    PENDING = "pending"
    DELIVERED = "delivered"  # answered with 2xx
    FAILED = "failed"  # given up


#: What the keeper shows of workers on a cluster that have no process.
UNSTARTED = frozenset({Activity.WAITING_FOR_NODE, Activity.CANNOT_START})
