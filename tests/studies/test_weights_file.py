"""The weights of a stranger's exported model are looked at before Keras expands them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from studies.errors import DatasetError
from studies.prediction import MODEL, PREPARATION, predict

_GIGABYTES_5 = 1_250_000_000  # numbers of four bytes


def _large(file: h5py.File) -> None:
    file.create_dataset("layers/vars/0", (_GIGABYTES_5,), "float32", chunks=(1_000_000,), compression="gzip")


def _large_chunk(file: h5py.File) -> None:
    file.create_dataset("layers/vars/0", (1,), "float32", maxshape=(None,), chunks=(900_000_000,), compression="gzip")


def _external_link(file: h5py.File) -> None:
    file["layers"] = h5py.ExternalLink("/etc/passwd", "/")


def _soft_link(file: h5py.File) -> None:
    file.create_dataset("layers/vars/0", data=np.zeros(3))
    file["layers/vars/1"] = h5py.SoftLink("/layers/vars/0")


def _external_storage(file: h5py.File) -> None:
    file.create_dataset("layers/vars/0", (8,), "uint8", external=[("/etc/passwd", 0, 8)])


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3,), "float32")
    layout[:] = h5py.VirtualSource("/etc/passwd", "a", (3,))
    file.create_virtual_dataset("layers/vars/0", layout)


def _texts(file: h5py.File) -> None:
    file.create_dataset("layers/vars/0", data=["a"], dtype=h5py.string_dtype())


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (_large, r"the weights file in model\.keras holds 5,000,000,000 bytes and a model at most"),
        (_large_chunk, r"the weights file in model\.keras holds 3,600,000,000 bytes"),
        (_external_link, r"has a link at 'layers'"),
        (_soft_link, r"has a link at 'layers/vars/1'"),
        (_external_storage, r"'layers/vars/0' of model\.weights\.h5 stands in another file"),
        (_virtual, r"'layers/vars/0' of model\.weights\.h5 stands in another file"),
        (_texts, r"'layers/vars/0' of model\.weights\.h5 holds no numbers"),
        (None, r"Unable to|unable to"),  # as HDF5 says that a file is none of its own
    ],
)
def test_weights_that_are_too_large_or_stand_elsewhere_are_refused(
    tmp_path: Path, write: Callable[[h5py.File], None] | None, said: str
) -> None:
    weights = tmp_path / "model.weights.h5"
    if write is None:
        weights.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    else:
        with h5py.File(weights, "w") as file:
            write(file)
    assert weights.stat().st_size < 1_000_000
    with zipfile.ZipFile(tmp_path / MODEL, "w") as model:
        model.writestr("config.json", "{}")
        model.write(weights, weights.name)
    with zipfile.ZipFile(tmp_path / PREPARATION, "w"):
        pass
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as bundle:
        for name in (MODEL, PREPARATION):
            bundle.write(tmp_path / name, name)
    with pytest.raises(DatasetError, match=said):
        predict(tmp_path / "model.zip", tmp_path / "rows.csv", "csv")
