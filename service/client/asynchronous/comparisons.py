"""A study's comparison of techniques: begin, read, stop, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.client.answers import fill
from service.client.asynchronous.transport import Transport
from service.schemas.comparisons import ComparisonView
from studies.spec.comparison import ComparisonSpec


class ComparisonCalls(Transport):
    """What can be done with a study's comparison."""

    async def compare(
        self, name: str, comparison: ComparisonSpec | Mapping[str, Any] | None = None, **fields: Any
    ) -> ComparisonView:
        """Begin a study's comparison; fields are those of ComparisonSpec, and what is left out takes its default."""
        given = comparison.model_dump(mode="json") if isinstance(comparison, ComparisonSpec) else dict(comparison or {})
        path = fill("/v1/studies/{name}/comparison", name=name)
        return await self._read(ComparisonView, "POST", path, json=given | fields)

    async def comparison(self, name: str) -> ComparisonView:
        """A study's comparison: its progress and, once it has ended, its result."""
        return await self._read(ComparisonView, "GET", fill("/v1/studies/{name}/comparison", name=name))

    async def stop_comparison(self, name: str) -> ComparisonView:
        """End a comparison and keep its results."""
        return await self._read(ComparisonView, "POST", fill("/v1/studies/{name}/comparison/stop", name=name))

    async def delete_comparison(self, name: str) -> None:
        """Delete a comparison, also a running one, so that the study can be compared anew."""
        await self._send("DELETE", fill("/v1/studies/{name}/comparison", name=name))
