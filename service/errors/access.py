"""Errors of who asks, and of how much they may."""

from __future__ import annotations

from service.errors.service_error import ServiceError


class UnauthenticatedError(ServiceError):
    """A request has no key, or one that is not usable."""

    status = 401
    title = "Unauthorized"
    challenge: str | None = None

    def __init__(self, reason: str | None = None) -> None:
        """Say what is wrong with the key or login that was sent; None when none was."""
        self.reason = reason or "a key is needed"
        one = "one" if reason is None else "a key"
        super().__init__(f"{self.reason}; send {one} as 'Authorization: Bearer rgs_…', or log in at /login")
        self.challenge = 'Bearer realm="regsweep"' + (', error="invalid_token"' if reason else "")


class ForbiddenError(ServiceError):
    """A key's scope is too small (`scope` is the one needed), or a request comes from another site."""

    status = 403
    title = "Forbidden"
    challenge: str | None = None

    def __init__(self, message: str, scope: str | None = None) -> None:
        super().__init__(message)
        self.challenge = f'Bearer realm="regsweep", error="insufficient_scope", scope="{scope}"' if scope else None


class RateLimitedError(ServiceError):
    """Too many requests came in a short time; `retry_after` is the seconds until one may pass again."""

    status = 429
    title = "Too many requests"
    retry_after = 1

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaError(RateLimitedError):
    """A project has as much as its quota allows; the message says what makes room."""

    title = "Quota reached"


class NoKeyError(ServiceError):
    """Other machines can reach the server and no key exists."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} can be reached from other machines and there is no key; make one with "
            "`regsweep keys create NAME --scope admin`, or listen on 127.0.0.1"
        )
