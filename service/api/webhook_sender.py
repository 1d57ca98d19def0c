"""Sends webhooks what they are to be told, beside the requests of a server."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from ipaddress import IPv6Address, ip_address
from time import monotonic
from urllib.parse import urlsplit

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError

from service import webhook_signature
from service.api.lazy_store import LazyStore
from service.errors import MigrationError, SecretKeyError, StorageError
from service.secret_wrapping import open_wrapper
from service.settings import Settings
from service.storage.deliveries import Claimed, DeliveryStore, Outcome
from service.storage.records import DeliveryRecord
from service.storage.store import Store
from service.version import VERSION
from service.webhook_addresses import Address, AllowList, check_address, check_url

_log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 1.0
ATTEMPT_SECONDS = 20.0
_SILENT_SECONDS = 10.0
_STOP_SECONDS = 5.0
_SWEEP_SECONDS = 3600.0
_ANSWER_BYTES = 200  # read of an answer, and shown
_GONE = 410

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]


async def look_up(host: str, port: int) -> list[Address]:
    """The addresses of a host, in the order in which to try them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(place[4][0])) for place in found]


class WebhookSender:
    """A task that looks for deliveries that are due and sends them; each server has one."""

    def __init__(
        self,
        lazy_store: LazyStore,
        settings: Settings,
        resolve: Resolve = look_up,
        deliveries: Callable[[Store], DeliveryStore] = DeliveryStore,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        """`attempt_seconds` is the most that an attempt takes in all, also of a receiver that answers byte by byte."""
        self._attempt_seconds = attempt_seconds
        self._lazy_store, self._settings, self._resolve, self._deliveries = lazy_store, settings, resolve, deliveries
        self._allowed = AllowList.parse(settings.webhook_allow)
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_failing = False
        self._swept_at = monotonic()

    def start(self) -> None:
        """Start the task."""
        self._task = asyncio.create_task(self._run(), name="webhooks")

    async def stop(self) -> None:
        """End the task; what it is about to send has some seconds to arrive, else is sent again later."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_STOP_SECONDS)
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while not await self._stops_within(_PAUSE_SECONDS):
            try:
                await self.send_due()
                self._is_failing = False
            except MigrationError as error:
                _log.warning("webhooks are sent no more", error=str(error))
                return
            except (SQLAlchemyError, StorageError) as error:
                if not self._is_failing:
                    _log.warning("webhooks wait for the database", error=str(error))
                self._is_failing = True
            # A task that ended here would send no more, and nobody would know.
            except Exception:  # noqa: BLE001
                _log.exception("webhooks not sent")

    async def _stops_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    async def send_due(self) -> int:
        """Send what is due, side by side; return how many deliveries that were."""
        if monotonic() - self._swept_at > _SWEEP_SECONDS:
            self._swept_at = monotonic()
            await asyncio.to_thread(self._store().sweep)
        claimed = await asyncio.to_thread(lambda: self._store().claim())
        await asyncio.gather(*map(self._deliver, claimed))
        return len(claimed)

    async def test(self, webhook_id: str) -> DeliveryRecord:
        """Send a webhook a test, once, and return what became of it.

        Raises NotFoundError when there is no such webhook.
        """
        store = self._store()
        claimed = await asyncio.to_thread(store.claim_test, webhook_id)
        await self._deliver(claimed)
        return await asyncio.to_thread(store.delivery, claimed.id)

    def _store(self) -> DeliveryStore:
        return self._deliveries(self._lazy_store.get())

    async def _deliver(self, claimed: Claimed) -> None:
        outcome = await self.attempt(claimed)
        await asyncio.to_thread(self._store().settle, claimed, outcome)
        if not outcome.delivered:
            _log.warning(
                "webhook not delivered",
                delivery=claimed.id,
                host=urlsplit(claimed.url).hostname,
                attempt_number=claimed.attempt,
                answer=outcome.answer,
            )

    async def attempt(self, claimed: Claimed) -> Outcome:
        """Send a delivery once; what goes wrong is part of the outcome."""
        try:
            secrets = await asyncio.to_thread(self._unwrap, claimed.wrapped_secrets)
            async with asyncio.timeout(self._attempt_seconds):
                return await self._send(claimed, secrets)
        except TimeoutError:
            return Outcome(delivered=False, answer=f"no answer within {self._attempt_seconds:g} seconds")
        except ValueError as error:
            return Outcome(delivered=False, answer=f"the URL {error}")
        except (SecretKeyError, OSError, httpx.HTTPError) as error:
            return Outcome(delivered=False, answer=_printable(str(error) or type(error).__name__))
        # A delivery without an outcome would be claimed again each minute, for ever.
        except Exception as error:  # noqa: BLE001
            _log.exception("an attempt at a webhook raised an error", delivery=claimed.id)
            return Outcome(delivered=False, answer=_printable(f"{type(error).__name__}: {error}"))

    def _unwrap(self, wrapped: Sequence[str]) -> list[str]:
        wrapper = open_wrapper(self._settings)
        return [wrapper.unwrap(secret) for secret in wrapped]

    async def _send(self, claimed: Claimed, secrets: Sequence[str]) -> Outcome:
        target = check_url(claimed.url, self._allowed)
        addresses = await self._resolve(target.host, target.port)
        for address in addresses:
            check_address(target.host, address, self._allowed)
        url = httpx.URL(claimed.url)
        headers = webhook_signature.headers(secrets, claimed.id, claimed.timestamp, claimed.body) | {
            "Host": url.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": f"regsweep/{VERSION}",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        error: httpx.HTTPError | None = None
        async with httpx.AsyncClient(verify=self._certificates, trust_env=False, timeout=_SILENT_SECONDS) as client:
            for address in addresses:
                # To the address that was checked: the host's name may lead elsewhere by now.
                literal = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
                request = client.build_request(
                    "POST",
                    url.copy_with(host=literal),
                    content=claimed.body,
                    headers=headers,
                    extensions={"sni_hostname": target.host},
                )
                try:
                    return await _answer(client, request)
                except (httpx.ConnectError, httpx.ConnectTimeout) as failed:
                    error = failed
        raise error or OSError(f"{target.host} has no address")

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()  # also those that SSL_CERT_FILE names


async def _answer(client: httpx.AsyncClient, request: httpx.Request) -> Outcome:
    """Send a request and read the beginning of its answer; a redirect is an answer like others, and not followed."""
    response = await client.send(request, stream=True, follow_redirects=False)
    try:
        text = b""
        async for block in response.aiter_raw(_ANSWER_BYTES):
            text += block
            if len(text) >= _ANSWER_BYTES:
                break
    finally:
        await response.aclose()
    status = f"{response.status_code} {response.reason_phrase}".strip()
    if response.is_redirect:
        status += ", which is not followed"
    shown = _printable(text[:_ANSWER_BYTES].decode(errors="replace"))
    answer = f"{_printable(status)}: {shown}" if shown else _printable(status)
    wait = _retry_after(response.headers.get("retry-after", "").strip())
    return Outcome(response.is_success, answer, gone=response.status_code == _GONE, retry_after=wait)


def _retry_after(text: str) -> float:
    """The seconds that a Retry-After asks to wait (RFC 9110: seconds or a date); 0 where it is neither."""
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    # A date whose zone is "-0000" comes without one.
    return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())


def _printable(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
