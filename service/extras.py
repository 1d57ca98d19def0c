"""The extras of the package: which one brings a module that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import ExtraMissingError

_WORKER = frozenset({"keras", "tensorflow"})
_SERVER = frozenset(
    {
        "a2wsgi", "alembic", "chardet", "cmaes", "fastapi", "fastapi_offline", "filelock", "fsspec", "jinja2",
        "multipart", "openpyxl", "optuna", "optuna_dashboard", "plotly", "psycopg", "pyarrow", "python_multipart",
        "s3fs", "scipy", "skops", "sklearn", "sqlalchemy", "starlette", "tqdm", "uvicorn",
    }
)  # fmt: skip


def extra_of(error: ModuleNotFoundError) -> str | None:
    """The extra that brings the module which is missing; None when it is of none."""
    module = (error.name or "").partition(".")[0]
    return "worker" if module in _WORKER else "server" if module in _SERVER else None


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
