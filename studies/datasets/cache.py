"""Prepared datasets kept in memory, for workers that serve studies in turn."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from studies.datasets.catalog import Dataset, Source, load
from studies.datasets.preprocessing import PreparedData, divide
from studies.keras_config.lookups import Lookup
from studies.spec.dataset import DatasetSpec
from studies.spec.resampling import Resampling

_Key = tuple[DatasetSpec, int, Resampling, tuple[Lookup, ...]]


class PreparedCache:
    """Caches what `divide` gives within a budget of bytes; the least recently used entry makes room.

    A dataset is loaded once for all its divisions. A requested one is returned and kept whatever its size.
    """

    def __init__(self, max_bytes: float, source: Source | None = None) -> None:
        self._max_bytes, self._source = max_bytes, source
        self._kept: dict[_Key, tuple[PreparedData, ...]] = {}  # the least recently used first

    def __call__(
        self, spec: DatasetSpec, seed: int, resampling: Resampling, lookups: tuple[Lookup, ...] = ()
    ) -> tuple[PreparedData, ...]:
        """Return the folds of a study's dataset, prepared now or before for a model that looks up the same."""
        key = (spec, seed, resampling, lookups)
        prepared = self._kept.pop(key, None)
        if prepared is None:
            dataset = self._loaded(spec)
            # Before the new entry is made, so that both are never in memory.
            while self._kept and _bytes([*self._kept, key]) > self._max_bytes:
                del self._kept[next(iter(self._kept))]
            prepared = divide(dataset or load(spec, self._source), seed, resampling, lookups)
        self._kept[key] = prepared
        return prepared

    def _loaded(self, spec: DatasetSpec) -> Dataset | None:
        return next((data[0].dataset for (kept, *_), data in self._kept.items() if kept == spec), None)


def _bytes(keys: Iterable[_Key]) -> int:
    """Bound the memory of divided datasets: each dataset once as it is, and the scaled rows of each of its fits."""
    datasets = {spec for spec, *_ in keys}
    return sum(map(_size, datasets)) + sum(resampling.fits * _size(spec) for spec, _, resampling, _ in keys)


def _size(spec: DatasetSpec) -> int:
    return 4 * spec.facts.rows * prod(spec.facts.shape)
