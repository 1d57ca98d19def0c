"""Reads an Optuna study where Optuna keeps it, and changes nothing there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL

from service.storage.database import parse, place
from studies.errors import FieldError, InvalidImportError
from studies.imports.json_file import invalid_source, read_object
from studies.imports.optuna_study import OptunaStudy, from_distributions, read_study

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

_SQLITE = b"SQLite format 3\0"
_RIGHT = (
    "name a storage's URL, as sqlite:///study.db, an SQLite file or a journal, or a file of "
    '{"lr": optuna.distributions.distribution_to_json(…), …}'
)
_FIRST_LINE = 100_000  # bytes of it that are looked at
_READ_ONLY = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


def read_source(source: str, study_name: str | None) -> OptunaStudy:
    """Read a study of a storage's URL, an SQLite file or a journal file, or the distributions of a JSON file.

    Raises InvalidImportError when it cannot be read, or has several studies and none is named.
    """
    if "://" in source:
        return _read_database(parse(source), source, study_name)
    file = Path(source)
    try:
        with file.open("rb") as opened:
            head = opened.readline(_FIRST_LINE)
    except OSError as error:
        raise invalid_source(f"cannot read {source}: {error.strerror}") from error
    if head.startswith(_SQLITE):
        return _read_database(URL.create("sqlite", database=str(file)), source, study_name)
    if head.startswith((b"\x80", b"PK")):
        raise invalid_source(
            f"{source} is a pickle, which runs whatever its writer wants; load it in Python where it was written, and "
            "copy the study with optuna.copy_study(…, to_storage='sqlite:///study.db')"
        )
    if _is_journal(head):
        return _read_journal(file, study_name)
    return from_distributions(read_object(file, _RIGHT))


def _is_journal(line: bytes) -> bool:
    try:
        first = json.loads(line)
    except ValueError:
        return False
    return isinstance(first, Mapping) and "op_code" in first


def _read_journal(file: Path, study_name: str | None) -> OptunaStudy:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        storage = JournalStorage(JournalFileBackend(str(file)))
    # Whatever the lines of a file hold that another program wrote.
    except Exception as error:
        raise invalid_source(f"{file} is no journal that Optuna here reads: {error}") from error
    return _read_study(storage, str(file), study_name)


def _read_database(url: URL, source: str, study_name: str | None) -> OptunaStudy:
    from optuna.storages import RDBStorage

    where = place(source) if "://" in source else source
    with _reading(url, where) as (plain, options):
        _check_schema(plain, options, where)
        # Neither tables are made nor versions written: those are there, as was checked.
        storage = RDBStorage(plain, engine_kwargs=options, skip_compatibility_check=True, skip_table_creation=True)
        try:
            return _read_study(storage, where, study_name)
        finally:
            storage.engine.dispose()


@contextmanager
def _reading(url: URL, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The URL and the options of an engine that only reads."""
    from optuna.exceptions import StorageInternalError

    try:
        if url.get_backend_name() == "sqlite":
            file = Path(url.database or "")
            if not file.is_file():
                raise invalid_source(f"there is no file {file}")
            path = f"file:{quote(str(file.resolve()))}"
            uri = URL.create(url.drivername, database=path, query={"mode": "ro", "uri": "true"})
            yield uri.render_as_string(hide_password=False), {}
            return
        statement = _READ_ONLY.get(url.get_backend_name())
        events = [] if statement is None else [(_run_at_connect(statement), "connect")]
        yield url.render_as_string(hide_password=False), {"pool_events": events}
    except (sa.exc.SQLAlchemyError, StorageInternalError, ImportError) as error:
        cause = error.__cause__ or error
        raise invalid_source(f"cannot read {where}: {' '.join(str(cause).split())[:300]}") from error


def _run_at_connect(statement: str) -> Any:
    def run(connection: Any, _record: Any) -> None:
        with closing(connection.cursor()) as cursor:
            cursor.execute(statement)
        connection.commit()

    return run


def _check_schema(url: str, options: Mapping[str, Any], where: str) -> None:
    """Check that the tables are those of the Optuna here, without Optuna: it would write their version where it is not.

    Raises InvalidImportError when they are another version's, or none of Optuna's.
    """
    import optuna

    versions = _versions()
    engine = sa.create_engine(url, **options)
    try:
        with engine.connect() as connection:
            names = set(sa.inspect(connection).get_table_names())
            written_by, version = None, None
            if names >= {"studies", "trials", "version_info"}:
                written_by = connection.scalar(sa.text("SELECT library_version FROM version_info"))
            if "alembic_version" in names:
                version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    finally:
        engine.dispose()
    if written_by is None:
        raise invalid_source(f"{where} has no tables of Optuna's; name what create_study was given as storage")
    if version != versions[0]:
        which, right = (
            "an older",
            (
                "nothing of yours is changed here: copy it, and bring the copy up to date with `optuna storage upgrade "
                "--storage URL`"
            ),
        )
        if version is not None and version not in versions:
            which, right = "a newer", "import it with a newer regsweep"
        here = f"the {optuna.__version__} here"
        made = f"it was made by {written_by}"
        raise invalid_source(f"{where} has the tables of {which} Optuna than {here} ({made}); {right}")


def _versions() -> list[str]:
    """The versions of the tables that the Optuna here knows, the one that it reads first."""
    from optuna.storages import RDBStorage

    storage = RDBStorage("sqlite://")  # in memory
    try:
        return [storage.get_head_version(), *storage.get_all_versions()]
    finally:
        storage.engine.dispose()


def _read_study(storage: BaseStorage, where: str, study_name: str | None) -> OptunaStudy:
    import optuna

    names = [study.study_name for study in storage.get_all_studies()]
    if study_name is None and len(names) != 1:
        named = ", ".join(names[:20])
        said = f"{where} has {len(names)} studies; name one of them: {named}"
        raise InvalidImportError([FieldError("--study-name", said)])
    name = names[0] if study_name is None else study_name
    if name not in names:
        said = f"{where} has no study '{name}'; it has {', '.join(names[:20])}"
        raise InvalidImportError([FieldError("--study-name", said)])
    return read_study(optuna.load_study(study_name=name, storage=storage))
