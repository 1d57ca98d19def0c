"""`regsweep validate`: checks a study file here, with its data and its model, and runs nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import (
    DatabaseUrlOption,
    JsonOption,
    ModelFile,
    StudyFile,
    load_settings,
    print_json,
    refuse,
)
from service.cli.output import say

if TYPE_CHECKING:
    from service.cli.local_files import LocalDataset
    from service.schemas.checks import StudyCheck
    from service.settings import Settings
    from service.storage.speed import Speed
    from service.storage.store import Store
    from studies.datasets.summary import DataSummary
    from studies.spec.study import StudySpec


def validate(
    file: StudyFile,
    model: ModelFile = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="With a comparison of techniques, as `run --compare`.")
    ] = False,
    database_url: DatabaseUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a study file with its data and its model, and say what it will do; exit 2 with what is wrong."""
    from service.cli.compare import with_comparison
    from studies.datasets.summary import other_warnings
    from studies.study_file import read_document

    settings = load_settings(database_url=database_url, log_level="warning")
    document = read_document(file, model)
    document = with_comparison(document, {}) if compare else document
    with _existing_store(settings) as store:
        spec, local = _check(document, file, settings, store)
        summary = None if local is None else _summarize(local)
        check = _study_check(document, spec, summary, settings, store)
        lines = list(_lines(spec, summary, check))
        if store is not None and not check.name_is_free:
            lines.append(_say_run(spec, store))
    # The lines say already which columns are left out.
    repeated = set() if summary is None or as_json else {*summary.warnings} - {*other_warnings(summary)}
    for warning in (each for each in check.warnings if each not in repeated):
        say(f"regsweep: warning: {warning}", file=sys.stderr)
    if as_json:
        print_json(check)
        return
    say("\n".join(lines))


@contextmanager
def _existing_store(settings: Settings) -> Iterator[Store | None]:
    """Open the store of the database; None where there is none of this version, for a check makes and upgrades none."""
    from service.storage import schema
    from service.storage.store import Store

    if not schema.is_current(settings.database_url):
        yield None
        return
    with closing(Store(settings.database_url)) as store:
        yield store


def _check(
    document: Mapping[str, Any], file: Path, settings: Settings, store: Store | None
) -> tuple[StudySpec, LocalDataset | None]:
    """Check a document as `run` does; return its study, and its file as it was read, if it has one."""
    from service import submission
    from service.cli.local_files import dataset_kind, read_dataset
    from service.storage.artifacts import Artifacts
    from service.storage.datasets import DatasetStore

    match dataset_kind(document):
        case "file":
            local = read_dataset(document, file.parent)
            return local.check(document, settings), local
        case "uploaded" if store is None:
            refuse(
                "dataset: only a database knows an uploaded dataset, and there is none of this version here; give "
                "--database-url"
            )
        case "uploaded" if store is not None:
            datasets = DatasetStore(store, Artifacts(settings.artifacts_url))
            return submission.check(document, settings, datasets.uploaded), None
    return submission.check(document, settings), None


def _summarize(local: LocalDataset) -> DataSummary:
    from studies.datasets.summary import summarize

    return summarize(local.profile)


def _study_check(
    document: Mapping[str, Any], spec: StudySpec, summary: DataSummary | None, settings: Settings, store: Store | None
) -> StudyCheck:
    from service.estimation import estimate
    from service.schemas.checks import StudyCheck
    from service.study_yaml import write_yaml
    from studies.analysis.work import plan_work
    from studies.search.idle import warnings_of

    work, (speed, conflict) = plan_work(spec), _known(spec, store)
    return StudyCheck(
        spec=spec.model_dump(mode="json"),
        yaml=write_yaml(document, spec, document["dataset"].get("path")),
        warnings=[*warnings_of(spec), *(() if summary is None else summary.warnings)],
        name_is_free=conflict is None,
        name_conflict=conflict,
        trials=sum(each.trials for each in work),
        fits=sum(each.fits for each in work),
        estimate=estimate(work, speed, settings.workers),
    )


def _known(spec: StudySpec, store: Store | None) -> tuple[Speed, str | None]:
    """What a database knows for a study: how fast others were trained, and who has its name."""
    from service.storage.accepting import name_conflict
    from service.storage.speed import Speed, read_speed

    if store is None:
        return Speed((), alike=False, other_active_studies=0), None
    with store.reading() as session:
        conflict = name_conflict(session, spec)
        return read_speed(session, spec), None if conflict is None else str(conflict)


def _lines(spec: StudySpec, summary: DataSummary | None, check: StudyCheck) -> Iterator[str]:
    """What a study is about and will do, in lines."""
    from studies.analysis import techniques
    from studies.analysis.labels import duration, label
    from studies.datasets import summary as data
    from studies.models.size import count_parameters
    from studies.spec import model

    facts = spec.dataset.facts
    yield f"This is a valid study: {spec.name or 'without a name, which is made up'}"
    if summary is None:
        yield f"{facts.rows:,} rows, {facts.task}: {facts.about}"
    else:
        yield from data.lines(summary)
    yield f"Model: {model.describe(spec.model)}, {count_parameters(spec):,} parameters"
    fits = spec.resampling.fits
    each = f", each trained on {fits} folds" if fits > 1 else ""
    yield (
        f"Search: {spec.budget.trials} trials of at most {spec.budget.epochs} epochs by {spec.sampler.name}{each}, for "
        f"{' and '.join(spec.objectives)}"
    )
    if spec.enqueued:
        yield f"First: the params of {len(spec.enqueued)} trials that warm_start.enqueue lists"
    if spec.comparison is not None:
        compared = techniques.resolve(spec, spec.comparison)
        yield f"Comparison: {', '.join(map(label, compared.techniques or ()))}"
    yield f"In all: {check.trials:,} trials, at most {check.fits:,} trainings"
    yield f"Time: about {duration(check.estimate.seconds)} ({check.estimate.why})"


def _say_run(spec: StudySpec, store: Store) -> str:
    """What `run` does with the study that has the name; it forgives more than submitting does."""
    from service.errors import ConflictError
    from service.resuming import find_same, other_than_asked

    try:
        more = other_than_asked(find_same(store, spec), spec)
    except ConflictError as error:
        return f"`regsweep run` refuses it: {error}"
    goes_on = f"A study named '{spec.name}' exists here: `regsweep run` goes on with it"
    return f"{goes_on}; it {more}" if more else goes_on
