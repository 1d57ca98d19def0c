"""`regsweep.sweep`: a whole study in one call, in this process or on a server."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from math import prod
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter
from weakref import finalize

from pydantic import ValidationError

from service import logs
from service.client.blocking.client import Client
from service.client.compiled_model import read_task, read_training
from service.client.data import Data, column_names, same_in_every_row
from service.client.documents import study_document
from service.client.keras_models import model_document
from service.client.progress_bar import open_bar
from service.client.sweep_result import SweepResult
from service.client.uploading import uploaded
from service.errors import ExtraMissingError
from service.extras import needing
from service.in_process import InProcessTransport
from studies.objectives import ObjectiveName, Task
from studies.spec.model import CnnSpec, KerasSpec, MlpSpec

if TYPE_CHECKING:
    from service.worker.fleet import Fleet

_HERE = "a sweep in this process"


def sweep(
    model: Any,
    x: Data,
    y: Any = None,
    *,
    target: str | None = None,
    task: Task | None = None,
    name: str | None = None,
    trials: int = 50,
    epochs: int = 100,
    compare: bool | Mapping[str, Any] = True,
    space: Mapping[str, Any] | None = None,
    objective: ObjectiveName = "val_loss",
    seed: int = 0,
    study: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str | Sequence[str]] | None = None,
    server: str | None = None,
    key: str | None = None,
    client: Client | None = None,
    project: str | None = None,
    folder: str | PathLike[str] | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    weights: bool = False,
) -> SweepResult:
    """Search the regularization of a model on data, and return the result when the study has ended.

    `model` is a keras.Model, the path of a .json or .keras file, or None for an MLP. Every trial begins with random
    weights, or, with `weights`, with those of the model. What it was compiled with gives the task, the optimizer and
    the learning rate. `x` and `y` are arrays or frames; instead of `y`, `target` may name a column of `x`, which may
    then be a file's path.

    `compare` confirms techniques on folds, with the fields of a ComparisonSpec if it is a mapping. `space` and `study`
    are fields of a study, and `data` options of its dataset, as in docs/studies.md. A model of several inputs takes `x`
    as a mapping with an array for each, or as columns: `inputs` says which columns go into which.

    The study runs on a `server` (with its `key`) or a `client`, in a `project` of it; without either in this process,
    with its worker processes, in a `folder` or in a temporary one. With a folder and a name the same call goes on with
    a study that was interrupted.

    Raises InvalidSpecError, which names every field that is wrong, and ExtraMissingError where the study is to run
    here and regsweep[worker] is not installed.
    """
    fields = dict(study or {})
    document: dict[str, Any] = {
        "objectives": [objective],
        "seed": seed,
        **fields,
        "budget": {"trials": trials, "epochs": epochs, **fields.get("budget", {})},
        "space": {**fields.get("space", {}), **(space or {})},
    }
    if name is not None:
        document["name"] = name
    if compare is not False:
        document["comparison"] = {} if compare is True else dict(compare)
    document |= _described(model, document, weights=weights)
    if inputs is not None:
        document["model"] = {**document.get("model", {}), "inputs": dict(inputs)}
    options = {"target": target, "task": task or read_task(model), "name": name, **(data or {})}
    rows: Data = x if y is None else (x, y)
    if kinds := _column_kinds(document.get("model"), rows):
        options["columns"] = {**kinds, **(options.get("columns") or {})}
    if project is not None:
        options["project"] = project
    if client is not None or server is not None:
        with ExitStack() as stack:
            there = client or stack.enter_context(Client(server, key))
            with uploaded(there, rows, options) as dataset:
                accepted = there.submit({**document, "dataset": dataset}, project=project).name
            there.wait(accepted, progress=progress)
            result = SweepResult(there, accepted)
            finalize(result, stack.pop_all().close)  # the client made here lives as long as the result
        return result
    return _sweep_here(rows, options, document, folder, workers, progress)


def _described(model: Any, document: Mapping[str, Any], *, weights: bool) -> dict[str, Any]:
    """The fields that a model gives to a study, beside those that the caller says."""
    if model is None:
        return {}
    if isinstance(model, MlpSpec | CnnSpec | KerasSpec | Mapping):
        return {"model": model if isinstance(model, Mapping) else model.model_dump(mode="json")}
    training, rate = read_training(model)
    space = document["space"] if rate is None else {"learning_rate": rate, **document["space"]}
    return {
        "model": _with_dropout(model, weights=weights),
        "space": space,
        "training": {**training, **document.get("training", {})},
    }


def _with_dropout(model: Any, *, weights: bool) -> dict[str, Any]:
    """A model's document; where nothing in the model drops, a searched dropout rate would do nothing."""
    described = model_document(model, weights=weights)
    try:
        drops = KerasSpec.model_validate(described).dropped_layers
    except ValidationError:  # the study's own check names the layer that is wrong
        return described
    return {**described, "insert_dropout": not drops}


def _column_kinds(model: Any, rows: Data) -> dict[str, str]:
    """The kinds of columns that a user's own model needs so: texts that it looks up are categories.

    Columns that are the same in every row are numbers, and so kept, where the model has an input for each.
    """
    try:
        own = KerasSpec.model_validate(model)
    except ValidationError:  # no model of the user's own, or one that the study's own check refuses
        return {}
    inputs, given = own.graph.inputs, column_names(rows)
    sizes = {each.name: prod(size or 0 for size in each.shape) for each in inputs if each.shape is not None}
    texts = [own.inputs.get(each.name, (each.name,))[0] for each in inputs if each.vocabulary is not None]
    kept = dict.fromkeys(same_in_every_row(rows, sizes), "number")
    return {**kept, **{name: "category" for name in texts if name in given}}


def _sweep_here(
    rows: Data,
    options: Mapping[str, Any],
    document: Mapping[str, Any],
    folder: str | PathLike[str] | None,
    workers: int | None,
    progress: bool | None,
) -> SweepResult:
    if find_spec("tensorflow") is None:
        raise ExtraMissingError(_HERE, "tensorflow", "worker")
    with needing(_HERE), catch_warnings():
        simplefilter("ignore")  # Optuna's tqdm warns in a notebook without ipywidgets
        import tqdm.auto  # noqa: F401

        from service import submission
        from service.api.app import create_app
        from service.resuming import begin_or_resume
        from service.settings import Settings
        from service.storage.artifacts import Artifacts
        from service.storage.datasets import DatasetStore
        from service.worker.fleet import Fleet
    logs.configure_guest()
    chosen: dict[str, Any] = {} if workers is None else {"workers": workers}
    with ExitStack() as stack:
        place = Path(folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="regsweep-"))).absolute()
        place.mkdir(parents=True, exist_ok=True)
        settings = Settings(
            database_url=f"sqlite:///{place / 'regsweep.db'}",
            artifacts_url=f"file://{place / 'artifacts'}",
            log_level="warning",
            **chosen,
        )
        app = create_app(settings, own_files=True)
        stack.callback(app.state.lazy_store.close)
        store = app.state.lazy_store.get()  # not by a request: its error names the file
        client = stack.enter_context(Client("http://127.0.0.1", transport=InProcessTransport(app)))
        with uploaded(client, rows, options) as dataset:
            known = DatasetStore(store, Artifacts(settings.artifacts_url)).uploaded
            spec = submission.check(study_document({**document, "dataset": dataset}), settings, known)
            name = begin_or_resume(store, spec, options.get("project"))
        _run(client, name, Fleet(settings, max(settings.workers, 1), name), progress)
        result = SweepResult(client, name)
        finalize(result, stack.pop_all().close)  # the folder and the connections live as long as the result
    return result


def _run(client: Client, name: str, fleet: Fleet, progress: bool | None) -> None:
    """Let a fleet run a study to its end, and show how far it is."""
    fleet.start()
    try:
        with open_bar(progress) as bar:
            for study in client.follow(name, poll=True):
                fleet.check()
                bar.show(study)
    finally:
        fleet.stop()
