"""What a key may do, and which scope a request needs: one table; what it does not name needs the highest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["read", "submit", "admin"]

#: Each holds all that those before it may do.
SCOPES: tuple[Scope, ...] = get_args(Scope)
READS = frozenset({"GET", "HEAD"})

_STUDY = "/v1/studies/[^/]+"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which scope some methods need on some paths."""

    methods: frozenset[str]
    paths: str  # a regular expression of the whole path
    scope: Scope | None  # None: nobody is asked for a key

    def covers(self, method: str, path: str) -> bool:
        """Whether it is about this request."""
        return method in self.methods and re.fullmatch(self.paths, path) is not None


#: The first that covers a request decides.
RULES: tuple[Rule, ...] = (
    Rule(READS, "/healthz|/login", None),
    Rule(frozenset({"POST"}), "/login|/logout", None),
    Rule(READS, ".*", "read"),
    # What adds and what steers.
    Rule(frozenset({"POST"}), "/v1/(studies|datasets)", "submit"),
    Rule(frozenset({"PATCH"}), _STUDY, "submit"),
    Rule(frozenset({"POST"}), f"{_STUDY}/(pause|resume|stop|trials|predict|comparison|comparison/stop)", "submit"),
    # What loses results, for studies have no owners.
    Rule(frozenset({"DELETE"}), f"{_STUDY}(/comparison)?|/v1/datasets/[^/]+", "admin"),
    Rule(frozenset({"POST"}), f"{_STUDY}/trials/[^/]+/invalidate", "admin"),
    # The dashboard's writes.
    Rule(frozenset({"POST", "PUT", "PATCH", "DELETE"}), "/(api|artifacts)/.*|/incompatible-rdb-schema", "admin"),
)


def needed(method: str, path: str) -> Scope | None:
    """The scope that a request needs, None where nobody is asked for a key."""
    found = [rule.scope for rule in RULES if rule.covers(method, path)]
    return found[0] if found else SCOPES[-1]


def includes(held: Scope, wanted: Scope) -> bool:
    """Whether one scope may do what another may."""
    return SCOPES.index(held) >= SCOPES.index(wanted)
