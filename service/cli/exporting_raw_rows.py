"""`regsweep export keras | saved-model | onnx` and `regsweep convert`: one model that takes raw rows."""

from __future__ import annotations

import io
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import (
    ArtifactsUrlOption,
    DatabaseUrlOption,
    KeyOption,
    ServerOption,
    StudyName,
    load_settings,
    refuse,
    write_file,
)
from service.cli.output import say
from service.cli.results import TechniqueOption
from service.cli.source import open_source
from studies.errors import RawRowsWarning

if TYPE_CHECKING:
    from studies.raw_rows.formats import RawFormat

_FOLDER_OR_ARCHIVE = "Folder to make, or an archive of it to write, where it ends in .tar or .zip."


def export_keras(
    name: StudyName,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write, a .keras.")] = Path("model.keras"),
    technique: TechniqueOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Write the best model as one Keras model that takes raw rows and needs nothing of regsweep."""
    with open_source(server, key, database_url, artifacts_url) as source, saying_warnings():
        write_model(output, "keras", source.studies.export(name, technique, file_format="keras"))


def export_saved_model(
    name: StudyName,
    output: Annotated[Path, typer.Option("-o", "--output", help=_FOLDER_OR_ARCHIVE)] = Path("saved_model"),
    technique: TechniqueOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Write the best model as a SavedModel that takes raw rows, for TensorFlow Serving."""
    check_output(output, "saved-model")
    with open_source(server, key, database_url, artifacts_url) as source, saying_warnings():
        write_model(output, "saved-model", source.studies.export(name, technique, file_format="saved-model"))


def export_onnx(
    name: StudyName,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write, an .onnx.")] = Path("model.onnx"),
    technique: TechniqueOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Write the best model as one ONNX model that takes raw rows, for onnxruntime."""
    with open_source(server, key, database_url, artifacts_url) as source, saying_warnings():
        write_model(output, "onnx", source.studies.export(name, technique, file_format="onnx"))


def convert(
    model: Annotated[Path, typer.Argument(metavar="MODEL.zip", help="A zip that `regsweep export` wrote.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="A .keras or .onnx file; else a SavedModel: a folder, a .tar or a .zip."),
    ] = Path("model.keras"),
) -> None:
    """Convert an exported zip into one model that takes raw rows and needs nothing of regsweep."""
    from service import conversion

    file_format = _format_of(output)
    check_output(output, file_format)
    max_parameters = load_settings(asks_server=True).max_parameters
    try:
        content = model.read_bytes()
    except OSError as error:
        refuse(f"cannot read {model}: {error.strerror}")
    with saying_warnings():
        write_model(output, file_format, conversion.convert(content, file_format, max_parameters))


@contextmanager
def saying_warnings() -> Iterator[None]:
    """Say on standard error, in a line each, which columns' texts a converted model matches less well than the zip."""
    with warnings.catch_warnings():
        show = warnings.showwarning
        warnings.simplefilter("always", RawRowsWarning)

        def say_or_show(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
            if issubclass(category, RawRowsWarning):
                say(f"regsweep: {message}", file=sys.stderr)
            else:
                show(message, category, *place, **options)

        warnings.showwarning = say_or_show
        yield


def _format_of(output: Path) -> RawFormat:
    match output.suffix.lower():
        case ".keras":
            return "keras"
        case ".onnx":
            return "onnx"
    return "saved-model"


def check_output(output: Path, file_format: RawFormat) -> None:
    """Refuse to make a SavedModel's folder where something is."""
    if file_format != "saved-model" or output.suffix.lower() in {".tar", ".zip"}:
        return
    if output.is_file() or (output.is_dir() and any(output.iterdir())):
        refuse(f"--output: {output} is there and is no empty folder")


def write_model(output: Path, file_format: RawFormat, content: bytes) -> None:
    """Write a model, and print where it is; of a SavedModel `content` is a zip."""
    if file_format != "saved-model" or output.suffix.lower() == ".zip":
        write_file(output, content)
    elif output.suffix.lower() == ".tar":
        write_file(output, _to_tar(content))
    else:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(output)  # noqa: S202  # a zip's members stay within the folder
        except OSError as error:
            refuse(f"cannot write {output}: {error.strerror}")
        print(output)


def _to_tar(content: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, tarfile.open(fileobj=written, mode="w") as tar:
        for info in archive.infolist():
            member = tarfile.TarInfo(info.filename)
            member.size = info.file_size
            if info.is_dir():
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member, io.BytesIO(archive.read(info)))
    return written.getvalue()
