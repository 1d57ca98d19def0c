"""Prepared datasets kept in memory, for workers that serve studies in turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from studies.datasets import looked_up
from studies.datasets.catalog import Dataset, Source, load
from studies.datasets.preprocessing import PreparedData, divide
from studies.keras_config.lookups import Lookup
from studies.keras_config.vocabulary import Vocabulary
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
            dataset = self._loaded(spec, lookups)
            # Before the new entry is made, so that both are never in memory.
            while self._kept and _bytes([*self._kept, key]) > self._max_bytes:
                del self._kept[next(iter(self._kept))]
            prepared = divide(dataset or load(spec, self._source, lookups), seed, resampling, lookups)
        self._kept[key] = prepared
        return prepared

    def _loaded(self, spec: DatasetSpec, lookups: Sequence[Lookup]) -> Dataset | None:
        needed = _loading(spec, lookups)
        return next((data[0].dataset for key, data in self._kept.items() if _loading(key[0], key[3]) == needed), None)


def _loading(spec: DatasetSpec, lookups: Sequence[Lookup]) -> tuple[DatasetSpec, frozenset[tuple[str, Vocabulary]]]:
    """All that a dataset is loaded by."""
    return spec, frozenset(looked_up.vocabularies(lookups).items())


def _bytes(keys: Iterable[_Key]) -> int:
    """Bound the memory of divided datasets: each dataset once as it is, and the scaled rows of each of its fits."""
    loadings = {_loading(spec, lookups) for spec, _, _, lookups in keys}
    loaded = sum(_size(spec) for spec, _ in loadings)
    return loaded + sum(resampling.fits * _size(spec) for spec, _, resampling, _ in keys)


def _size(spec: DatasetSpec) -> int:
    return 4 * spec.facts.rows * prod(spec.facts.shape)
