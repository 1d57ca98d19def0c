"""Files that are small and take much to read, each made when it is sent."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
from pyarrow import feather, parquet

_MAGIC = b"\x93NUMPY\x01\x00"


def _array(dtype: str, shape: tuple[int, ...], data: bytes) -> bytes:
    header = str({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    header = header.ljust(-(-(len(header) + 11) // 64) * 64 - 11) + b"\n"
    return _MAGIC + len(header).to_bytes(2, "little") + header + data


def npz_of_many(members: int = 5000) -> bytes:
    """An archive of many arrays, each of some rows."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(members):
            archive.writestr(f"x{index}.npy", _array("<f4", (20,), bytes(80)))
        archive.writestr("y.npy", _array("<i8", (20,), np.arange(20).tobytes()))
    return file.getvalue()


def npz_of_zeros(rows: int = 350_000_000) -> bytes:
    """An archive of one array that deflates a thousandfold."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open("x.npy", "w") as member:
            member.write(_array("|u1", (rows,), b""))
            for _ in range(rows // 1_000_000):
                member.write(bytes(1_000_000))
        with archive.open("y.npy", "w") as member:
            member.write(_array("|u1", (rows,), b""))
            for _ in range(rows // 1_000_000):
                member.write(bytes(1_000_000))
    return file.getvalue()


def parquet_of_one_value(rows: int = 640_000_000) -> bytes:
    """A table of one value in every row, which run lengths keep in some bytes a page."""
    file = io.BytesIO()
    part = pa.table({"x": np.zeros(10_000_000), "y": np.zeros(10_000_000)})
    with parquet.ParquetWriter(file, part.schema, compression="zstd", data_page_size=1 << 30) as writer:
        for _ in range(rows // 10_000_000):
            writer.write_table(part, row_group_size=10_000_000)
    return file.getvalue()


def parquet_of_long_texts(rows: int = 5000, letters: int = 1_000_000) -> bytes:
    """A table whose dictionary has one text of a megabyte, which every row repeats."""
    file = io.BytesIO()
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["x" * letters]))
    parquet.write_table(pa.table({"x": text, "y": np.arange(rows) % 2}), file, compression="zstd", store_schema=False)
    return file.getvalue()


def feather_of_zeros(rows: int = 300_000_000) -> bytes:
    """A table whose buffers deflate."""
    file = io.BytesIO()
    zeros = np.zeros(rows, np.int8)
    feather.write_feather(pa.table({"x": zeros, "y": zeros}), file, compression="zstd", chunksize=rows)
    return file.getvalue()


def csv_of_many_columns(columns: int = 100_000, rows: int = 20) -> bytes:
    """A text of very many columns."""
    names = ",".join(f"x{index}" for index in range(columns - 1))
    row = ",".join("1" for _ in range(columns - 1))
    lines = [f"{names},y", *(f"{row},{number % 2}" for number in range(rows))]
    return "\n".join(lines).encode()


def csv_of_zeros(rows: int = 500_000_000) -> bytes:
    """Gzip data of a text that is long."""
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb") as packed:
        packed.write(b"a,y\n")
        block = b"0,0\n" * 250_000
        for _ in range(rows // 250_000):
            packed.write(block)
    return file.getvalue()


def json_of_many_keys(keys: int = 80_000, rows: int = 20) -> bytes:
    """Lines of very many fields, each line with fields of its own."""
    return "\n".join(
        json.dumps({**{f"{row}-{key}": 1 for key in range(keys // rows)}, "y": row % 2}) for row in range(rows)
    ).encode()


def json_of_depth(depth: int = 1_000_000) -> bytes:
    """A line that nests deeply."""
    return b'{"y": 1, "x": ' + b"[" * depth + b"]" * depth + b"}\n"


def json_of_one_key(times: int = 200_000) -> bytes:
    """A line in which fields stand twice."""
    return ("{" + ", ".join(f'"{key}": 1' for key in range(times)) + f', "{times - 1}": 2}}\n').encode()


_SHEET = '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
_PARTS = {
    "[Content_Types].xml": '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.'
    'sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.spreadsheetml.worksheet+xml"/></Types>',
    "_rels/.rels": '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="a" sheetId="1" '
    'r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
    'relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
    'worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


def _workbook(rows: Callable[[Callable[[bytes], object]], None]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _PARTS.items():
            archive.writestr(name, text)
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(_SHEET.encode())
            rows(sheet.write)
            sheet.write(b"</sheetData></worksheet>")
    return file.getvalue()


def xlsx_of_many_rows(rows: int = 8_000_000) -> bytes:
    """A sheet of many equal rows."""
    head = b'<row><c t="inlineStr"><is><t>a</t></is></c><c t="inlineStr"><is><t>y</t></is></c></row>'

    def write(send: Callable[[bytes], object]) -> None:
        send(head)
        block = b"<row><c><v>1</v></c><c><v>0</v></c></row>" * 100_000
        for _ in range(rows // 100_000):
            send(block)

    return _workbook(write)


def xlsx_of_one_text(letters: int = 800_000_000) -> bytes:
    """A sheet with one cell that is endless."""

    def write(send: Callable[[bytes], object]) -> None:
        send(b'<row><c t="inlineStr"><is><t>')
        for _ in range(letters // 1_000_000):
            send(b"x" * 1_000_000)
        send(b"</t></is></c></row>")

    return _workbook(write)


def keras_of_zeros(size: int = 3_000_000_000) -> bytes:
    """A .keras file whose config is three gigabytes of blanks."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("config.json", "w", force_zip64=True) as member,
    ):
        for _ in range(size // 1_000_000):
            member.write(b" " * 1_000_000)
    return file.getvalue()


def keras_of_depth(depth: int = 400_000) -> bytes:
    """A model's config that nests deeply."""
    return b'{"config": ' + b"[" * depth + b"]" * depth + b"}"


_STUDY = {"name": "bomb", "dataset": {"kind": "builtin", "name": "iris"}, "budget": {"trials": 2, "epochs": 2}}
_NAMES = [f"r{index}" for index in range(190_000)]


def study_of(**parts: object) -> Callable[[], bytes]:
    """A study's document of about two megabytes."""
    return lambda: json.dumps({**_STUDY, **parts}).encode()


#: Each with the format as which it is sent; "keras" is sent as a model,
#: and "study" is checked as one, and sent often at once.
BOMBS: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "npz of 5,000 members": ("npz", npz_of_many),
    "npz of 700 MB of zeros": ("npz", npz_of_zeros),
    "Parquet of one value": ("parquet", parquet_of_one_value),
    "Parquet of long texts": ("parquet", parquet_of_long_texts),
    "Feather of zeros": ("feather", feather_of_zeros),
    "CSV of 100,000 columns": ("csv", csv_of_many_columns),
    "CSV of 2 GB": ("csv", csv_of_zeros),
    "JSON of 80,000 keys": ("jsonl", json_of_many_keys),
    "JSON nested deeply": ("jsonl", json_of_depth),
    "JSON of doubled keys": ("jsonl", json_of_one_key),
    "xlsx of many rows": ("xlsx", xlsx_of_many_rows),
    "xlsx of one text": ("xlsx", xlsx_of_one_text),
    "keras of zeros": ("keras", keras_of_zeros),
    "keras nested deeply": ("keras", keras_of_depth),
    "study of many regularizers": ("study", study_of(space={"regularizer": _NAMES})),
    "study of many objectives": ("study", study_of(objectives=_NAMES)),
    "study of many techniques": ("study", study_of(comparison={"techniques": _NAMES})),
    "study of many layers": ("study", study_of(space={"layers": [{"regularizer": ["x"], "lambda": 1}] * 24_000})),
    "study of many choices": ("study", study_of(space={"lambda": [each / 1e6 for each in range(190_000)]})),
    "study of many units": ("study", study_of(model={"kind": "mlp", "hidden_units": [8] * 190_000})),
    "study of many fields": ("study", study_of(**dict.fromkeys(_NAMES[:49_000], 1))),
    "study of a large config": ("study", study_of(model={"kind": "keras", "config": {"a": ["x"] * 190_000}})),
}
