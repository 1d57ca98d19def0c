"""The points of a finite space: two points differ in something that has an effect.

λ has none without a regularizer and l1_ratio only with elastic net. Optuna's grid and brute force would try such points
again and again, so their place is taken by a sampler that takes these points in the order of a seed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from studies.spec.parameter import Range
from studies.spec.space import SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

Point = dict[str, Any]
_WITH_PENALTY = "regularizer", "lambda", "l1_ratio"


@dataclass(frozen=True, slots=True)
class Block:
    """Every combination of some values, by parameter."""

    values: Mapping[str, Sequence[Any]]

    @property
    def size(self) -> int:
        """The number of combinations."""
        return math.prod(map(len, self.values.values()))

    def point(self, index: int) -> Point:
        """One of the combinations."""
        point = {}
        for name, values in self.values.items():
            index, at = divmod(index, len(values))
            point[name] = values[at]
        return point


@dataclass(frozen=True)
class Grid:
    """The distinct points of a space: one block of every group, in all combinations."""

    space: SearchSpace
    groups: Sequence[Sequence[Block]]

    @classmethod
    def of(cls, space: SearchSpace, values: Mapping[str, Sequence[Any]]) -> Grid:
        """The grid of these values of each searched parameter."""
        others = {name: each for name, each in values.items() if not name.endswith(_WITH_PENALTY)}
        penalties = [_penalty_blocks(space, prefix, values) for prefix in _prefixes(space)]
        return cls(space, [*penalties, [Block(others)]])

    @property
    def size(self) -> int:
        """The number of points."""
        return math.prod(sum(block.size for block in blocks) for blocks in self.groups)

    def point(self, index: int) -> Point:
        """A value of every searched parameter; of one without effect, any."""
        point: Point = {}
        for blocks in self.groups:
            index, at = divmod(index, sum(block.size for block in blocks))
            for block in blocks:
                if at < block.size:
                    point |= block.point(at)
                    break
                at -= block.size
        return {name: point[name] for name in self.space.searched()}

    def sample(self, seed: int, count: int) -> list[Point]:
        """So many points, or all where there are fewer, in an order that the seed decides."""
        size = min(self.size, 2**62)  # a range can be no longer, and a budget is far below
        return [self.point(index) for index in random.Random(seed).sample(range(size), min(count, size))]  # noqa: S311

    @cached_property
    def _fixed(self) -> Point:
        return self.space.fixed()

    @cached_property
    def _prefixes(self) -> list[str]:
        return _prefixes(self.space)

    def key(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        """All that has an effect: equal for two points that train alike."""
        values = self._fixed | dict(params)
        for prefix in self._prefixes:
            if values[f"{prefix}regularizer"] == "none" or values[f"{prefix}lambda"] == 0:
                values |= {f"{prefix}regularizer": "none", f"{prefix}lambda": 0.0}
            if values[f"{prefix}regularizer"] != "elastic_net":
                values[f"{prefix}l1_ratio"] = 0.0
        return tuple(values[name] for name in sorted(values))


def count_choices(space: SearchSpace) -> float:
    """The number of trials that differ by more than their seed; infinite if a parameter is continuous."""
    searched = space.searched()
    if any(isinstance(parameter, Range) and isinstance(parameter.low, float) for parameter in searched.values()):
        return math.inf
    return brute_force(space).size


def finite_grid(space: SearchSpace, points: int | None) -> Grid:
    """The grid of so many points of each range; None: of every whole number in it."""
    return brute_force(space) if points is None else evenly_spaced(space, points)


def brute_force(space: SearchSpace) -> Grid:
    """The grid of all choices of a space without continuous ranges."""
    return Grid.of(
        space,
        {
            name: range(parameter.low, parameter.high + 1) if isinstance(parameter, Range) else parameter
            for name, parameter in space.searched().items()
        },
    )


def evenly_spaced(space: SearchSpace, points: int) -> Grid:
    """The grid of all choices, and of so many points of each range."""
    import numpy as np

    values: dict[str, Sequence[Any]] = {}
    for name, parameter in space.searched().items():
        if isinstance(parameter, Range):
            low, high = parameter.low, parameter.high
            spaced = (np.geomspace if parameter.log else np.linspace)(low, high, points)
            # Rounding in the last digit must not leave the range.
            inside = np.clip(spaced, low, high).tolist()
            values[name] = sorted({round(value) if isinstance(low, int) else value for value in inside})
        else:
            values[name] = parameter
    return Grid.of(space, values)


def _prefixes(space: SearchSpace) -> list[str]:
    return [name.removesuffix("regularizer") for name in space.parameters() if name.endswith("regularizer")]


def _penalty_blocks(space: SearchSpace, prefix: str, values: Mapping[str, Sequence[Any]]) -> list[Block]:
    """The distinct penalties of a layer, of biases or of outputs: none, and each kind with all that it heeds."""
    fixed = space.fixed()
    names = [name for name in (prefix + part for part in _WITH_PENALTY) if name in values or name in fixed]
    kind, strength, *ratio = names
    of_name = {name: values[name] if name in values else [fixed[name]] for name in names}
    heeded = [each for each in of_name[strength] if each != 0]
    first_ratio = {name: of_name[name][:1] for name in ratio}
    blocks = []
    if "none" in of_name[kind]:
        blocks.append(Block({kind: ["none"], strength: of_name[strength][:1]} | first_ratio))
    elif len(heeded) < len(of_name[strength]):
        blocks.append(Block({kind: of_name[kind][:1], strength: [0.0]} | first_ratio))
    for each in of_name[kind]:
        if each != "none" and heeded:
            ratios = {name: of_name[name] for name in ratio} if each == "elastic_net" else first_ratio
            blocks.append(Block({kind: [each], strength: heeded} | ratios))
    return blocks


def grid_sampler(space: SearchSpace, points: int | None, seed: int, trials: int) -> BaseSampler:
    """The sampler of a study of so many trials that takes the points of a grid, each once.

    It takes the next point that no trial in view has taken, of those that agree with what the user enqueued.
    """
    sampler: BaseSampler = _sampler_class()(space, *_ordered(space, points, seed, trials))
    return sampler


@lru_cache(4)  # a sampler is made for every ask
def _ordered(
    space: SearchSpace, points: int | None, seed: int, trials: int
) -> tuple[Grid, Mapping[tuple[Any, ...], Point]]:
    """A grid, and the points that the trials take, by their keys."""
    grid = finite_grid(space, points)
    return grid, {grid.key(point): point for point in grid.sample(seed, trials)}


@cache
def _sampler_class() -> type[Any]:
    """Made when first needed, for Optuna is slow to import."""
    from optuna.samplers import BaseSampler

    class GridPoints(BaseSampler):
        def __init__(self, space: SearchSpace, grid: Grid, points: Mapping[tuple[Any, ...], Point]) -> None:
            self._distributions, self._grid, self._points = space.distributions(), grid, points

        def infer_relative_search_space(self, *_: Any) -> dict[str, BaseDistribution]:
            return self._distributions

        def sample_relative(self, study: Study, trial: FrozenTrial, _: Any) -> dict[str, Any]:
            others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
            asked = (other.params for other in others if other.params.keys() >= self._distributions.keys())
            taken = set(map(self._grid.key, asked))
            wanted = trial.system_attrs.get("fixed_params", {}).items()
            free = [point for key, point in self._points.items() if key not in taken]
            # A study of an earlier version may have more trials than there are points: it begins again.
            free = free or [list(self._points.values())[len(others) % len(self._points)]]
            return next((point for point in free if wanted <= point.items()), free[0])

        def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, _: Any) -> Any:
            return self.sample_relative(study, trial, None)[param_name]

    return GridPoints
