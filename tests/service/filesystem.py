"""A file system of this machine where something happens between the steps of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import fsspec
from fsspec.implementations.local import LocalFileSystem


def nothing(_step: str) -> None: ...


class SteppedFileSystem(LocalFileSystem):  # type: ignore[misc]  # fsspec carries no types
    """`stepped://…`: calls `between` before and after each change, and after each look."""

    protocol: ClassVar = ("stepped",)
    between: ClassVar[Callable[[str], None]] = staticmethod(nothing)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("stepped://")))

    def exists(self, path: str, **options: Any) -> bool:
        found = bool(super().exists(path, **options))
        type(self).between("exists")
        return found

    def put_file(self, *arguments: Any, **options: Any) -> None:
        self._step("put_file", *arguments, **options)

    def mv(self, *arguments: Any, **options: Any) -> None:
        self._step("mv", *arguments, **options)

    def rm_file(self, *arguments: Any, **options: Any) -> None:
        self._step("rm_file", *arguments, **options)

    def rm(self, *arguments: Any, **options: Any) -> None:
        self._step("rm", *arguments, **options)

    def _step(self, name: str, *arguments: Any, **options: Any) -> None:
        type(self).between(name)
        getattr(super(), name)(*arguments, **options)
        type(self).between(name)


fsspec.register_implementation("stepped", SteppedFileSystem)
