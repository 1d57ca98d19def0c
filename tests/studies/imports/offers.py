"""Does what refusals offer, as a user who types each offer would."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from service.cli.imported_study import choices_of
from studies.errors import InvalidImportError
from studies.imports.imported import NO_CHOICES, Choices, Imported


def accept_offers(importer: Callable[[Choices], Imported], most: int = 2) -> Imported:
    """Import, and add what a refusal offers to the choices, at most so many times."""
    choices, options = NO_CHOICES, ""
    for _ in range(most):
        try:
            return importer(choices)
        except InvalidImportError as error:
            if not error.options:
                raise
            options = " ".join([options, *error.options])
        words = shlex.split(options)
        pairs = list(zip(words[::2], words[1::2], strict=True))
        leave_out, meanings, values = (
            [value for option, value in pairs if option == name] for name in ("--leave-out", "--map", "--fix")
        )
        choices = choices_of(leave_out, meanings, values)
    return importer(choices)
