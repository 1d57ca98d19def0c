"""The one list of private names of Optuna, Keras and TensorFlow that `service` and `studies` use.

A private name may go in any release, so `pyproject.toml` bounds the packages from above: read this list before you
raise a bound. A name counts as private by its underscore, and as theirs when the module that uses it does not define
it.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OPTUNA = {
    "service/storage/optuna_reading.py": {"optuna.storages._rdb"},
    "service/storage/optuna_tables.py": {"optuna.storages._rdb"},
    "service/storage/repair.py": {"_trial_id"},
    "studies/search/history.py": {"_storage", "_study_id"},
    "studies/search/mirror.py": {"_storage", "_study_id", "_trial_id"},
    "studies/search/mirror_storage.py": {
        "_lock",
        "_max_trial_id",
        "_studies",
        "_trial_id",
        "_trial_id_to_study_id_and_number",
        "_update_cache",
    },
    "studies/search/parzen.py": {
        "_BatchedCategoricalDistributions",
        "_BatchedDiscreteTruncLogNormDistributions",
        "_BatchedDiscreteTruncNormDistributions",
        "_BatchedTruncLogNormDistributions",
        "_BatchedTruncNormDistributions",
        "_MixtureOfProductDistribution",
        "_log_gauss_mass",
        "_log_gauss_mass_unique",
        "_norm_pdf_logC",
        "_unique_inverse_2d",
        "optuna.samplers._tpe",
        "optuna.samplers._tpe._truncnorm",
        "optuna.samplers._tpe.sampler",
    },
    "studies/search/samplers.py": {"_find_sample_id"},
    "studies/search/tpe.py": {
        "_constant_liar",
        "_is_multivariate",
        "_n_ei_candidates",
        "_n_startup_trials",
        "_random_sampler",
        "_rng",
        "optuna.samplers._tpe.sampler",
    },
    "studies/search/enqueued.py": {"_contains"},
}
KERAS = {
    "studies/models/proximal.py": {"_get_variable_index", "_velocities"},
    "studies/training/attention.py": {"_apply_scores", "_build_attention", "_dropout_layer"},
    "studies/training/batch_normalization.py": {"_reduction_axes"},
    "studies/training/embedding.py": {"_embeddings", "_flatten_layers"},
    "studies/training/fit_knobs.py": {"_create_dropout_mask", "_flatten_layers"},
    "studies/training/fit_model.py": {
        "_rng",
        "_seed",
        "keras.src.utils.naming",
        "tensorflow.python.eager",
    },  # the first two are TensorFlow's
    "studies/training/initial.py": {"_flatten_layers", "_non_trainable_variables", "_trainable_variables"},
    "studies/training/lane_model.py": {"_keras_mask"},
    "studies/training/names.py": {"keras.src.utils", "tensorflow.python.framework"},
    "studies/training/sizing.py": {"_inbound_nodes"},
}
#: Underscored names that are public: of named tuples and of `os`.
PUBLIC = {"_replace", "_exit"}
#: Names that are defined beside their use too, override one, or stand in a text: the search below passes them over.
DEFINED_HERE_TOO = {
    ("studies/search/mirror.py", "_storage"),
    ("studies/search/parzen.py", "_log_gauss_mass"),
    ("studies/search/samplers.py", "_find_sample_id"),
    ("studies/training/attention.py", "_apply_scores"),
    ("studies/training/attention.py", "_build_attention"),
    ("studies/training/attention.py", "_dropout_layer"),
    ("studies/training/fit_knobs.py", "_create_dropout_mask"),
    ("studies/training/lane_model.py", "_keras_mask"),
}


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def on_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def defined(tree: ast.Module) -> Iterator[str]:
    """The names that a module defines: functions, classes, variables, and attributes set on `self`."""
    changed = {id(node.target) for node in ast.walk(tree) if isinstance(node, ast.AugAssign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and on_self(node.value):
            yield from () if id(node) in changed else (node.attr,)  # `self.x += 1` needs an x that is there


def parents(tree: ast.Module) -> Iterator[ast.Module]:
    """The modules of ours that define the parents of a module's classes, and theirs."""
    bases = {
        base.id
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if isinstance(base, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None and {a.name for a in node.names} & bases:
            file = ROOT / f"{node.module.replace('.', '/')}.py"
            if file.exists():
                parent = ast.parse(file.read_text(encoding="utf-8"))
                yield parent
                yield from parents(parent)


def foreign_private_names(tree: ast.Module) -> set[str]:
    """The private attributes that a module uses and does not define, and the private modules that it imports."""
    ours = {name for module in (tree, *parents(tree)) for name in defined(module)}
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr) and node.attr not in ours:
            names.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            parts = node.module.split(".")
            if any(private(part) or part == "src" for part in parts) or parts[:2] == ["tensorflow", "python"]:
                names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names if private(alias.name)}
        elif isinstance(node, ast.Import):
            names |= {a.name for a in node.names if any(private(p) or p == "src" for p in a.name.split("."))}
    return names


def test_the_list_names_every_private_name_and_no_other() -> None:
    used = {}
    for package in ("regsweep", "service", "studies"):
        for file in sorted((ROOT / package).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            names = foreign_private_names(ast.parse(file.read_text(encoding="utf-8")))
            names |= {name for where, name in DEFINED_HERE_TOO if where == path and name in file.read_text()}
            if names:
                used[path] = names
    assert used == OPTUNA | KERAS


@pytest.mark.parametrize("package", ["optuna", "keras", "tensorflow"])
def test_a_package_whose_private_names_are_used_is_bounded_from_above(package: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    requirements = [r for r in wanted if r.startswith(f"{package}>")]
    assert requirements
    assert all(",<" in requirement for requirement in requirements)
