"""`regsweep.predict`: predicts raw rows, however Python has them, with an exported model."""

from __future__ import annotations

import shutil
import tempfile
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from service.client.data import Data, format_of_path, open_data
from service.extras import needing
from service.logs import quiet_tensorflow

if TYPE_CHECKING:
    from studies.predictions import Predictions
    from studies.spec.table import TableFormat


def predict(
    bundle: str | PathLike[str] | bytes,
    rows: Data,
    file_format: TableFormat | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    *,
    id_column: str | None = None,
    strict: bool = False,
) -> Predictions:
    """Predict raw rows here, with the model of an exported zip, its path or its bytes; `id_column` is carried through.

    Rows are a file by its path, a frame, a mapping of arrays, or an array. Of a file the format is seen from its name,
    a text's encoding from its bytes, and the first sheet of a workbook is read, unless they are given. Classes are what
    they were in the study's data: whole numbers and booleans of an array or a frame, texts of a CSV.

    Raises DatasetError when the zip is none of ours, when the rows are not as the model needs them, or, if `strict`,
    when they hold what training never saw; ExtraMissingError where regsweep[worker] is not installed.
    """
    quiet_tensorflow()
    with needing("regsweep.predict", "worker"):
        import keras  # noqa: F401  # said before anything is read

        from studies import prediction
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(bundle, bytes):
            model = Path(folder, "model.zip")
            model.write_bytes(bundle)
        else:
            model = Path(fspath(bundle))
        file, known_format = _as_file(rows, file_format, Path(folder))
        found = prediction.predict(model, file, known_format, encoding, sheet, id_column=id_column, strict=strict)
        return found.with_own_classes()


def _as_file(rows: Data, file_format: TableFormat | None, folder: Path) -> tuple[Path, TableFormat]:
    """Rows as a file: a user's own, or one written into the folder."""
    if isinstance(rows, str | PathLike):
        path = Path(fspath(rows))
        return path, file_format or format_of_path(path)
    written = folder / "rows"
    with open_data(rows) as (source, _, written_format), written.open("wb") as target:
        shutil.copyfileobj(source, target)
    return written, written_format
