"""The form of a program: by rule where a study is short, measured where it is long, and remembered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from studies.datasets.preprocessing import PreparedData, prepare_folds
from studies.errors import EngineError
from studies.spec.study import StudySpec
from studies.study_file import parse
from studies.training.compiled_files import CompiledFiles
from tests.studies.test_lanes import Given, job

pytestmark = pytest.mark.slow


def spec_of(trials: int = 64, epochs: int = 12, **changes: Any) -> StudySpec:
    plain = {
        "name": "x",
        "dataset": {"kind": "builtin", "name": "iris"},
        "model": {"kind": "mlp", "hidden_units": [4]},
        "budget": {"trials": trials, "epochs": epochs},
    }
    return parse(plain | changes)


def choose(spec: StudySpec, cache: Path | None = None, lanes: int | None = None, share: float = 0.2) -> Any:
    from studies.training.engines import Engines

    return Engines(lanes, share, cache).choose(spec, data_of(spec))


def data_of(spec: StudySpec) -> Sequence[PreparedData]:
    return prepare_folds(spec.dataset, spec.seed, spec.resampling)


def test_a_short_study_measures_the_form_it_runs_and_remembers_nothing(tmp_path: Path) -> None:
    choice = choose(spec_of(), tmp_path)
    assert (choice.engine, choice.lanes, choice.xla) == ("lanes", 4, False)  # compiling takes longer than it saves
    assert 12 % choice.epochs_a_call == 0
    assert "4 lanes suit a budget of 64 trials; measured 4 lanes" in choice.why
    assert "ms a trial's epoch" in choice.why
    assert list(tmp_path.iterdir()) == []


def test_a_long_study_measures_other_forms_and_the_next_worker_knows_them(tmp_path: Path) -> None:
    from studies.training.engines import Engines

    spec, worker = spec_of(trials=100_000, epochs=600), Engines(None, 0.2, tmp_path)
    first = worker.choose(spec, data_of(spec))
    assert re.search(r"measured 16 lanes, \d+ epochs a call, with XLA: .*without XLA", first.why)  # first the rule's
    assert "8 lanes" in first.why  # half of the rule's 16
    [file] = tmp_path.glob("*.json")
    again = choose(spec, tmp_path)
    assert (again.lanes, again.epochs_a_call, again.xla) == (first.lanes, first.epochs_a_call, first.xla)
    assert "measured before" in again.why
    file.write_text("not JSON")  # and is written anew; the first worker has its measurements still
    assert worker.choose(spec, data_of(spec)) == first
    assert "measured before" in choose(spec, tmp_path).why


def test_lanes_that_are_asked_for_are_not_measured_away(tmp_path: Path) -> None:
    spec = spec_of(trials=100_000, epochs=600)
    assert choose(spec, tmp_path, lanes=3).lanes == 3
    assert choose(spec_of(training={"lanes": 5})).lanes == 5


def test_memory_bounds_the_lanes() -> None:
    choice = choose(spec_of(training={"lanes": 16}), share=1e-6)
    assert 1 <= choice.lanes < 16 or choice.engine == "fit"
    assert "memory" in choice.why
    assert choose(spec_of(), share=1e-12).engine == "fit"


def test_a_model_that_fills_a_core_trains_in_one_lane(tmp_path: Path) -> None:
    wide = {"kind": "mlp", "hidden_units": [700, 700]}
    choice = choose(spec_of(trials=300, epochs=1, model=wide), tmp_path)
    assert (choice.engine, choice.lanes) == ("lanes", 1)
    assert "one lane of this model fills a core" in choice.why
    assert choose(spec_of(trials=300, epochs=1, model=wide, training={"lanes": 2})).lanes == 2


def test_xla_compiles_once_the_studies_of_a_program_train_long_enough_together() -> None:
    from studies.training.engines import Engines

    worker = Engines(None, 0.2, None)
    chosen = [
        worker.choose(spec, data_of(spec)).xla for spec in [spec_of(trials=64, epochs=40, seed=n) for n in range(12)]
    ]
    assert (chosen[0], chosen[-1]) == (False, True)
    assert worker.compiled_programs == 1
    small = spec_of(trials=64, epochs=8, seed=9)
    assert worker.choose(small, data_of(small)).xla  # for it is compiled


def test_a_program_that_another_worker_compiled_is_used_where_compiling_would_not_pay(tmp_path: Path) -> None:
    from studies.training.engines import Engines
    from studies.training.program_key import ProgramShape, program_key

    files, spec = CompiledFiles(tmp_path), spec_of(trials=64, epochs=60)
    choice = Engines(None, 0.2, None, files).choose(spec, data_of(spec))
    assert not choice.xla
    shape = ProgramShape(choice.lanes, choice.epochs_a_call, xla=True)
    with files.compiling(program_key(spec, data_of(spec), max(spec.space.batch_sizes), shape)):
        (files.own / "compiled.pb").write_bytes(b"")
    assert Engines(None, 0.2, None, files).choose(spec, data_of(spec)).xla


def test_a_compiled_program_that_was_forgotten_is_found_again_and_counts_once() -> None:
    from studies.training.engines import Engines

    worker = Engines(None, 0.2, None)
    # Its form is fixed, so that nothing else is measured; its activation has a gradient of its own in TensorFlow.
    model = {"kind": "mlp", "hidden_units": [4], "activation": "silu"}
    long = spec_of(trials=64, epochs=400, reproducible=True, model=model)
    others = [spec_of(trials=2, epochs=1, model={"kind": "mlp", "hidden_units": [units]}) for units in range(5, 13)]
    for number in range(2):
        trials = Given([job(long, 0)])
        worker.make(worker.choose(long, data_of(long)), long)(data_of(long), trials)
        assert trials.trained(0).result.epochs
        assert worker.compiled_programs == 1
        for other in others if number == 0 else ():  # as many as a worker keeps
            assert not worker.choose(other, data_of(other)).xla


def test_a_model_of_very_many_layers_is_left_to_fit() -> None:
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input((4,)), *(layers.Dense(4) for _ in range(64)), layers.Dense(3, "softmax")])
    choice = choose(spec_of(model={"kind": "keras", "config": model.to_json()}))
    assert choice.engine == "fit"
    assert "65 layers would take minutes to compile" in choice.why


def test_a_reproducible_study_has_the_form_of_its_spec_whatever_the_machine_says(tmp_path: Path) -> None:
    spec = spec_of(reproducible=True)
    choices = [choose(spec, tmp_path), choose(spec, lanes=3)]
    assert choices[0] == choices[1]
    assert choices[0].lanes == 8
    with pytest.raises(EngineError, match=r"reproducible fixes 8 lanes.*training\.lanes"):
        choose(spec, share=1e-12)
