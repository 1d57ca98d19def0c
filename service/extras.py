"""The extras of the package: which one brings a module that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from service.errors import ExtraMissingError

_MODULES = {
    "worker": frozenset({"keras", "tensorflow"}),
    "server": frozenset(
        {
            "a2wsgi", "alembic", "chardet", "cmaes", "cryptography", "fastapi", "fastapi_offline", "filelock", "fsspec",
            "h5py", "jinja2", "limits", "multipart", "openpyxl", "optuna", "optuna_dashboard", "plotly",
            "prometheus_client", "pyarrow", "python_multipart", "scipy", "skops", "sklearn", "sqlalchemy", "starlette",
            "tqdm", "uvicorn",
        }
    ),
    "postgres": frozenset({"psycopg"}),
    "onnx": frozenset({"onnx", "onnxruntime", "tf2onnx"}),
    "s3": frozenset({"s3fs"}),
    "ray": frozenset({"ray"}),
    "mlflow": frozenset({"mlflow", "pandas"}),
    "tensorboard": frozenset({"tensorboard"}),
    "wandb": frozenset({"wandb"}),
    "tracing": frozenset({"opentelemetry.exporter", "opentelemetry.sdk"}),  # FastAPI brings the rest
}  # fmt: skip


def extra_of(error: ModuleNotFoundError) -> str | None:
    """The extra that brings the module which is missing; None when it is of none."""
    module, _, inner = (error.name or "").partition(".")
    names = {module, f"{module}.{inner.partition('.')[0]}"}
    return next((extra for extra, modules in _MODULES.items() if modules & names), None)


def check_extra(what: str, extra: str) -> None:
    """Check that an extra is installed, without an import of it; `what` needs it.

    Raises ExtraMissingError where it is not.
    """
    for module in sorted(_MODULES[extra]):
        if find_spec(module) is None:
            raise ExtraMissingError(what, module, extra)


@contextmanager
def needing(what: str, extra: str | None = None) -> Iterator[None]:
    """Import what an extra brings, the one that brings a module if none is named; `what` needs it.

    Raises ExtraMissingError where it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        bringing = extra_of(error)
        if bringing is None:
            raise
        raise ExtraMissingError(what, str(error.name), extra or bringing) from error
