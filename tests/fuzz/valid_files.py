"""Valid files of each kind, which are damaged then."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import feather, parquet

_ROWS = 24
#: Files, each with what it is sent as.
Files = list[tuple[str, bytes]]


def make_files(kind: str) -> Files:
    """Make the valid files of a kind."""
    return KINDS[kind]()


def _columns() -> dict[str, list[Any]]:
    number = range(_ROWS)
    return {
        "a": [0.5 * one for one in number],
        "größe": [["klein", "groß", "mittel"][one % 3] for one in number],
        "when": [f"2026-01-{one % 28 + 1:02}" for one in number],
        "n": [one * 1000 for one in number],
        "y": [one % 2 for one in number],
    }


def _table() -> pa.Table:
    columns = _columns()
    when = pa.array(columns["when"]).cast(pa.date32())
    more = {
        "when": when,
        "stamp": when.cast(pa.timestamp("us")),
        "flag": [one == 1 for one in columns["y"]],
        "level": pa.array(columns["größe"]).dictionary_encode(),
        "gaps": [None if one % 5 == 0 else one / 3 for one in range(_ROWS)],
        "decimal": pa.array(columns["n"]).cast(pa.decimal128(24, 2)),
    }
    return pa.table({**columns, **more})


def _npz() -> Files:
    def pack(*, deflate: bool, **arrays: Any) -> tuple[str, bytes]:
        file = io.BytesIO()
        (np.savez_compressed if deflate else np.savez)(file, **arrays)
        return "npz", file.getvalue()

    y, random = np.arange(_ROWS) % 2, np.random.default_rng(0)
    return [
        pack(deflate=True, x=random.normal(size=(_ROWS, 3)), y=y),
        pack(deflate=False, x=random.normal(size=_ROWS).astype(np.float32), level=np.array(["u", "v"] * 12), y=y),
        pack(deflate=True, x=random.integers(0, 255, (_ROWS, 4, 4)).astype(np.uint8), y=y),
        pack(deflate=False, when=np.datetime64("2026-01-01") + np.arange(_ROWS), x=random.normal(size=_ROWS), y=y),
    ]


def _parquet() -> Files:
    def write(compression: str, **options: Any) -> tuple[str, bytes]:
        file = io.BytesIO()
        parquet.write_table(_table(), file, compression=compression, **options)
        return "parquet", file.getvalue()

    return [
        write("none", use_dictionary=False),
        write("snappy"),
        write("gzip", data_page_version="2.0"),
        write("zstd", row_group_size=7),
    ]


def _feather() -> Files:
    files = []
    for compression in ("uncompressed", "lz4", "zstd"):
        file = io.BytesIO()
        feather.write_feather(_table().drop_columns(["decimal"]), file, compression=compression)
        files.append(("feather", file.getvalue()))
    return files


def _lines(delimiter: str) -> str:
    columns = _columns()
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    return "\n".join(delimiter.join(map(str, row)) for row in rows) + "\n"


def _csv() -> Files:
    text = _lines(",")
    quoted = text.replace("klein", '"kl,ein"').replace("groß", '"gr""oß"')
    return [
        ("csv", text.encode()),
        ("csv", quoted.encode()),
        ("csv", _lines(";").encode("cp1252")),
        ("csv", text.encode("utf-16")),
        ("csv", gzip.compress(text.encode(), mtime=0)),
        ("tsv", _lines("\t").encode()),
    ]


def _json() -> Files:
    columns = _columns()
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    plain = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    escaped = "\n".join(json.dumps({**row, "when": None, "flag": True}) for row in rows)
    return [
        ("jsonl", plain.encode()),
        ("jsonl", escaped.encode()),
        ("jsonl", gzip.compress(plain.encode(), mtime=0)),
    ]


def _xlsx() -> Files:
    import openpyxl

    workbook = openpyxl.Workbook()
    sheet = workbook.active
    columns = _columns()
    for row in [list(columns), *zip(*columns.values(), strict=True)]:
        sheet.append(row)
    file = io.BytesIO()
    workbook.save(file)
    return [("xlsx", file.getvalue())]


def _keras() -> Files:
    from tests.studies import own_models

    files: Files = []
    with tempfile.TemporaryDirectory() as folder:
        for make in (own_models.mlp, own_models.wide_and_deep, own_models.residual_mlp, own_models.embeddings):
            model = make()
            path = Path(folder, "model.keras")
            model.save(path)
            files += [("json", model.to_json().encode()), ("keras", path.read_bytes())]
    return files


KINDS: Mapping[str, Callable[[], Files]] = {
    "npz": _npz,
    "parquet": _parquet,
    "csv": _csv,
    "json": _json,
    "keras": _keras,
    "feather": _feather,
    "xlsx": _xlsx,
}
