"""Scopes of API keys and the table of the scope that each request needs; unnamed requests need the highest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["read", "submit", "admin"]

#: From the least to the most: each includes the scopes before it.
SCOPES: tuple[Scope, ...] = get_args(Scope)
READS = frozenset({"GET", "HEAD", "OPTIONS"})

#: Converts a model into another format, which takes a process of the server, as a prediction does: the path is the
#: zip's, which only reads.
CONVERTS: Scope = "submit"

_STUDY = "/v1/studies/[^/]+"


@dataclass(frozen=True, slots=True)
class Rule:
    """The scope that some methods need on some paths."""

    methods: frozenset[str] | None  # None: any
    paths: str  # a regular expression of the whole path
    scope: Scope | None  # None: no key is needed

    def covers(self, method: str, path: str) -> bool:
        """Return whether the rule applies to a request."""
        return (self.methods is None or method in self.methods) and re.fullmatch(self.paths, path) is not None


#: The first rule that covers a request decides.
RULES: tuple[Rule, ...] = (
    Rule(READS, "/healthz|/readyz|/login|/assets/[^/]+/[^/]+", None),  # the login page loads its files
    Rule(None, "/healthz|/readyz", None),  # a method that they do not have is a 405, not a question for a key
    Rule(frozenset({"POST"}), "/login|/logout", None),
    # Webhooks, whose addresses may be secrets.
    Rule(READS | {"POST", "PATCH", "DELETE"}, "/v1/webhooks(/.*)?", "admin"),
    Rule(READS, ".*", "read"),
    Rule(frozenset({"DELETE"}), "/v1/sessions(/[^/]+)?", "read"),  # of the request's own key; the routes look
    # Requests that add or steer.
    Rule(frozenset({"POST"}), "/v1/(studies|datasets)", "submit"),
    Rule(frozenset({"POST"}), "/v1/(studies/check|datasets/profile|models/read)", "submit"),
    Rule(frozenset({"PATCH"}), _STUDY, "submit"),
    Rule(frozenset({"POST"}), f"{_STUDY}/(pause|resume|stop|trials|predict|comparison|comparison/stop)", "submit"),
    # Requests that lose results: whoever works in a project shares its studies, so only an admin of it may.
    Rule(frozenset({"DELETE"}), f"{_STUDY}(/comparison)?|/v1/datasets/[^/]+", "admin"),
    Rule(frozenset({"POST"}), f"{_STUDY}/trials/[^/]+/invalidate", "admin"),
    # Projects; a key that is limited to some is refused there, whatever its scope.
    Rule(frozenset({"POST"}), "/v1/projects", "admin"),
    Rule(frozenset({"PATCH", "DELETE"}), "/v1/projects/[^/]+", "admin"),
    # The dashboard's writes.
    Rule(frozenset({"POST", "PUT", "PATCH", "DELETE"}), "/(api|artifacts)/.*|/incompatible-rdb-schema", "admin"),
)


def needed_scope(method: str, path: str) -> Scope | None:
    """The scope that a request needs, None when it needs no key."""
    return next((rule.scope for rule in RULES if rule.covers(method, path)), SCOPES[-1])


def includes(granted: Scope, needed: Scope) -> bool:
    """Return whether the granted scope includes the one that is needed."""
    return SCOPES.index(granted) >= SCOPES.index(needed)
