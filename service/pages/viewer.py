"""Who looks at a page, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass

from service import scopes


@dataclass(frozen=True, slots=True)
class Viewer:
    """The key behind a page's request; without one, somebody at this machine while no key was made."""

    key: str | None
    scope: scopes.Scope
    is_limited: bool = False  # to some projects

    @property
    def title(self) -> str:
        """Who this is, in words."""
        return "no key needed: none was made" if self.key is None else f"{self.key} ({self.scope})"

    def may(self, method: str, path: str) -> bool:
        """Return whether a request would pass the guard."""
        needed = scopes.needed_scope(method, path)
        return needed is None or scopes.includes(self.scope, needed)


#: While no key was made, this machine's users need none.
ANYONE_HERE = Viewer(None, scopes.SCOPES[-1])
