"""Webhooks: signed messages at the ends of studies and comparisons, sent again until they arrive, to public places."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks.webhooks import WebhookVerificationError

from service import webhook_signature
from service.api.lazy_store import LazyStore
from service.api.webhook_sender import Resolve, WebhookSender, look_up
from service.errors import SecretKeyError
from service.secret_wrapping import Wrapper, open_wrapper
from service.settings import Settings
from service.storage import outbox, transactions
from service.storage.deliveries import PAUSES, Claimed, DeliveryStore, Outcome, database_now
from service.storage.keys import KeyStore
from service.storage.projects import ProjectStore
from service.storage.states import DeliveryStatus, Event, StudyState
from service.storage.store import Store
from service.storage.webhooks import MAX_WEBHOOKS, WebhookChanges, WebhookStore
from service.webhook_addresses import Address, AllowList, check_url
from tests.acceptance.polling import eventually
from tests.service.commanding import Completed, run_command
from tests.service.comparing import compared_study, work
from tests.service.conftest import served, settings_in
from tests.service.documents import document, study
from tests.service.receiving import Receiver, receiving
from tests.service.test_keys import bearer, problem
from tests.service.working import working

SECRET_KEY = "qZbJ4J1x0oUoG6c0c1m0Q8m8i4m1y3r2vN5n0b7w9xA="  # noqa: S105  # of the tests
EVENTS = [Event.STUDY_ENDED, Event.COMPARISON_ENDED]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@dataclass
class Clock:
    """The database's clock, moved on by hand."""

    ahead: float = 0.0

    def __call__(self, session: Any) -> float:
        return database_now(session) + self.ahead


class Sending:
    """The part of a server that sends webhooks, on a clock of its own."""

    def __init__(self, store: Store, resolve: Resolve = look_up, allow: str = "127.0.0.1") -> None:
        self.settings = Settings(database_url=store.url, webhook_allow=allow, secret_key=SECRET_KEY)
        self.clock = Clock()
        self.deliveries = DeliveryStore(store, self.clock)
        self.webhooks = WebhookStore(store)
        self.resolve, self.url = resolve, store.url

    def add(self, url: str, events: Sequence[Event] = EVENTS, project: str | None = None) -> tuple[str, str]:
        """Add a webhook; return its id and its secret."""
        secret = webhook_signature.make_secret()
        wrapped = open_wrapper(self.settings).wrap(secret)
        return self.webhooks.add(url, events, project, wrapped).id, secret

    def send(self) -> int:
        """Send what is due, as a server with a connection of its own does; return how many deliveries that were."""

        async def once() -> int:
            lazy = LazyStore(self.url)
            try:
                sender = WebhookSender(
                    lazy, self.settings, self.resolve, lambda store: DeliveryStore(store, self.clock)
                )
                return await sender.send_due()
            finally:
                lazy.close()

        return asyncio.run(once())


def refused(error: type[Exception], call: Callable[[str], object], argument: str) -> bool:
    try:
        call(argument)
    except error:
        return True
    return False


def end(store: Store, name: str = "iris", state: StudyState = StudyState.STOPPED) -> None:
    store.create_study(study(name))
    store.set_state(name, state)


def statuses(sending: Sending, webhook_id: str) -> list[tuple[str, int]]:
    return [(str(one.status), one.attempts) for one in sending.webhooks.deliveries(webhook_id, 50)]


def test_secrets_are_wrapped_with_the_first_key_so_that_the_old_one_can_be_dropped(store: Store) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    WebhookStore(store).add("https://example.org/", [Event.STUDY_ENDED], None, Wrapper(old).wrap("whsec_x"))

    def secret(keys: str) -> str:
        return Wrapper(keys).unwrap(WebhookStore(store).list_webhooks()[0].secret)

    def rewrap(keys: str) -> Completed:
        return run_command("db", "rewrap", "--database-url", store.url, REGSWEEP_SECRET_KEY=keys)

    refused = rewrap(new)
    assert (refused.returncode, "wrapped with another key" in refused.stderr) == (2, True)
    assert secret(old) == "whsec_x"
    WebhookStore(store).rotate(WebhookStore(store).list_webhooks()[0].id, Wrapper(old).wrap("whsec_y"), 60)
    assert rewrap(f"{new},{old}").stdout == "1 secret is wrapped with the first key\n"
    assert secret(new) == "whsec_y"
    assert Wrapper(new).unwrap(WebhookStore(store).list_webhooks()[0].old_secret or "") == "whsec_x"


def test_a_receiver_is_told_of_a_study_that_ended_in_a_message_that_the_official_package_verifies(
    tmp_path: Path, receiver: Receiver
) -> None:
    settings = settings_in(tmp_path).model_copy(update={"webhook_allow": "127.0.0.1"})
    with served(settings) as api:
        added = api.post("/v1/webhooks", json={"url": receiver.url()}).json()
        assert added["secret"].startswith("whsec_")
        shown = api.get(f"/v1/webhooks/{added['id']}").json()
        assert "secret" not in shown
        assert api.get("/v1/webhooks").json() == {"webhooks": [shown]}
        store = Store(settings.database_url)
        assert added["secret"] not in (tmp_path / "regsweep.db").read_bytes().decode(errors="ignore")
        with working(store, tmp_path / "artifacts"):
            api.post("/v1/studies", json=document(trials=2))
            eventually(lambda: receiver.came, 30)
        store.close()
        [message] = receiver.verified(added["secret"])
        best = api.get("/v1/studies/iris").json()["best"]
        assert message["type"] == "study.ended"
        assert datetime.fromisoformat(message["timestamp"]).tzinfo is not None
        assert message["data"] == {
            "study": "iris",
            "project": "default",
            "state": "completed",
            "reason": None,
            "answer": None,
            "objective": "val_loss",
            "best_value": best["value"],
            "path": "/v1/studies/iris",
            "page": "/studies/iris",
        }
        headers, body = receiver.came[0]
        assert (headers["Content-Type"], len(body) < 1000) == ("application/json", True)

        def told() -> Any:
            return api.get(f"/v1/webhooks/{added['id']}/deliveries").json()["deliveries"][0]

        eventually(lambda: told()["status"] == "delivered", 10)
        assert (told()["answer"], told()["study"], told()["next_at"]) == ("204 No Content", "iris", None)
        assert told()["id"] == headers["webhook-id"]


def test_the_end_of_a_comparison_is_told_with_its_answer(store: Store, folder: Path, receiver: Receiver) -> None:
    sending = Sending(store)
    _, secret = sending.add(receiver.url(), [Event.COMPARISON_ENDED])
    store.create_study(compared_study())
    work(store, folder)
    assert (sending.send(), receiver.came) == (0, [])  # its report, and with it the answer, is yet to come
    with working(store, folder):
        eventually(lambda: store.study("iris").published, 30)
    sending.clock.ahead = 3
    assert sending.send() == 1
    [message] = receiver.verified(secret)
    assert (message["type"], message["data"]["state"]) == ("comparison.ended", "completed")
    assert message["data"]["answer"] == store.study("iris").answer
    assert message["data"]["answer"]


def test_an_end_that_is_rolled_back_is_told_to_nobody_and_one_before_a_crash_is_told_later(
    store: Store, receiver: Receiver
) -> None:
    sending = Sending(store)
    webhook, secret = sending.add(receiver.url())
    record = store.create_study(study("lost"))
    with pytest.raises(ZeroDivisionError), transactions.transaction(store.optuna) as session:  # noqa: PT012
        outbox.record_end(session, Event.STUDY_ENDED, record, "completed")
        _ = 1 / 0
    assert statuses(sending, webhook) == []
    store.set_state("lost", StudyState.STOPPED)  # and here every server dies
    [claimed] = sending.deliveries.claim()  # one died as it was sending
    assert (sending.send(), receiver.came) == (0, [])
    sending.clock.ahead = 61
    [again] = sending.deliveries.claim()
    sending.deliveries.settle(claimed, Outcome(delivered=True, answer="too late"))  # the dead one was only slow
    assert statuses(sending, webhook) == [("pending", 2)]
    assert (again.id, again.body) == (claimed.id, claimed.body)
    sending.clock.ahead = 122
    assert (sending.send(), sending.send()) == (1, 0)
    assert [message["data"]["study"] for message in receiver.verified(secret)] == ["lost"]
    assert statuses(sending, webhook) == [("delivered", 3)]


def test_two_servers_deliver_once(store: Store, receiver: Receiver) -> None:
    sending = Sending(store)
    sending.add(receiver.url())
    for index in range(4):
        end(store, f"study-{index}")
    other = Store(store.url)

    async def both() -> list[int]:
        lazy = LazyStore(store.url), LazyStore(store.url)
        try:
            return await asyncio.gather(*(WebhookSender(one, sending.settings).send_due() for one in lazy))
        finally:
            for one in lazy:
                one.close()

    assert sum(asyncio.run(both())) == 4
    other.close()
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == len(receiver.came) == 4


def test_what_is_not_answered_with_2xx_is_sent_again_with_growing_pauses_until_it_is_given_up(
    store: Store, receiver: Receiver
) -> None:
    sending = Sending(store)
    webhook, _ = sending.add(receiver.url())
    receiver.statuses, receiver.body = [500], b"out of\x1b order" + b"x" * 1_000_000
    end(store)
    for index, pause in enumerate(PAUSES):
        assert sending.send() == 1
        assert statuses(sending, webhook) == [("pending", index + 1)]
        assert sending.send() == 0
        sending.clock.ahead += pause - 1
        assert sending.send() == 0
        sending.clock.ahead += 1 + 0.2 * pause
    assert sending.send() == 1
    assert statuses(sending, webhook) == [("failed", len(PAUSES) + 1)]
    [told] = sending.webhooks.deliveries(webhook, 50)
    assert (told.answer or "").startswith("500 Internal Server Error: out of order")
    assert len(told.answer or "") <= 300
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 1
    assert len({body for _, body in receiver.came}) == 1
    timestamps = [int(headers["webhook-timestamp"]) for headers, _ in receiver.came]
    assert timestamps == sorted(set(timestamps))
    record = sending.webhooks.find(webhook)  # nothing arrived for a day
    assert (record.disabled_reason or "").startswith("7 attempts at a delivery failed")
    end(store, "unheard")
    assert statuses(sending, webhook) == [("failed", 7)]
    sending.webhooks.change(webhook, WebhookChanges(enabled=True))
    end(store, "heard")
    receiver.statuses, receiver.came = [204], []
    assert sending.send() == 1
    sending.clock.ahead = 0
    assert receiver.came
    sending.clock.ahead = 31 * 86400
    assert (sending.deliveries.sweep(), statuses(sending, webhook)) == (2, [])


def test_after_a_rotation_the_official_package_verifies_with_either_secret_until_the_grace_is_over(
    store: Store, receiver: Receiver
) -> None:
    sending = Sending(store)
    webhook, old = sending.add(receiver.url())

    def rotate(grace_seconds: float) -> str:
        secret = webhook_signature.make_secret()
        sending.webhooks.rotate(webhook, open_wrapper(sending.settings).wrap(secret), grace_seconds)
        return secret

    def verified_by(*secrets: str) -> list[bool]:
        """Whether each secret verifies what came of a study that ends now."""
        receiver.came = []
        end(store, f"study-{len(sending.webhooks.deliveries(webhook, 99))}")
        assert sending.send() == 1
        return [not refused(WebhookVerificationError, receiver.verified, secret) for secret in secrets]

    new = rotate(100)
    assert verified_by(old, new) == [True, True]
    assert len(receiver.came[0][0]["webhook-signature"].split()) == 2
    sending.clock.ahead = 101  # the package takes five minutes at most
    assert verified_by(old, new) == [False, True]
    sending.deliveries.sweep()
    assert (sending.webhooks.find(webhook).old_secret, sending.webhooks.find(webhook).old_until) == (None, None)
    sending.clock.ahead = 0
    newer = rotate(100)
    newest = rotate(0)  # none may sign with one that others know
    assert verified_by(new, newer, newest) == [False, False, True]


def test_a_receiver_that_says_when_to_come_again_is_left_alone_until_then_and_no_longer_than_ten_hours(
    store: Store, receiver: Receiver
) -> None:
    sending = Sending(store)
    webhook, _ = sending.add(receiver.url())
    receiver.statuses = [503]
    end(store)

    def wait(retry_after: str) -> float:
        """The seconds until the next attempt, after one that was answered so."""
        receiver.headers = {"Retry-After": retry_after}
        assert sending.send() == 1
        [told] = sending.webhooks.deliveries(webhook, 50)
        with store.reading() as session:
            left = told.next_at - sending.clock(session)
        sending.clock.ahead += left + 1
        return left

    def date(seconds: float) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)

    # A fifth longer at most, and never sooner than without: 5 seconds, 5 minutes, 30 minutes, 2, 5, 10 hours.
    assert 590 < wait("600") <= 720
    assert 3580 < wait(date(3600)) <= 4320
    assert 1790 < wait("1") <= 2160
    assert 7190 < wait("soon") <= 8640
    assert 35900 < wait("9" * 400) <= 43200
    assert 35900 < wait(date(90 * 86400).replace("GMT", "-0000")) <= 43200


def test_a_receiver_that_is_gone_is_told_no_more_and_a_redirect_is_not_followed(
    store: Store, receiver: Receiver
) -> None:
    sending = Sending(store)
    webhook, _ = sending.add(receiver.url())
    receiver.statuses, receiver.headers = [302, 410], {"Location": receiver.url("/elsewhere")}
    end(store)
    sending.send()
    [told] = sending.webhooks.deliveries(webhook, 50)
    assert (told.status, told.answer) == (DeliveryStatus.PENDING, "302 Found, which is not followed")
    sending.clock.ahead = 10
    sending.send()
    assert len(receiver.came) == 2
    assert (sending.webhooks.find(webhook).disabled_reason or "").startswith("the receiver is gone")


def test_only_webhooks_of_the_event_and_the_project_are_told(store: Store, receiver: Receiver) -> None:
    sending = Sending(store)
    ProjectStore(store).create("another", {})
    ids = [
        sending.add(receiver.url(), [Event.COMPARISON_ENDED])[0],
        sending.add(receiver.url(), [Event.STUDY_ENDED], "another")[0],
        sending.add(receiver.url(), [Event.STUDY_ENDED], "default")[0],
    ]
    end(store)
    assert [len(sending.webhooks.deliveries(webhook, 9)) for webhook in ids] == [0, 0, 1]
    sending.webhooks.delete(ids[2])
    assert sending.send() == 0
    ProjectStore(store).delete("another")
    assert [one.id for one in sending.webhooks.list_webhooks()] == ids[:1]


def test_an_admin_of_one_project_has_its_webhooks_alone(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    store = Store(settings.database_url)
    for name in ("here", "there"):
        ProjectStore(store).create(name, {})
    keys = KeyStore(store)
    everywhere, here = (
        bearer(keys.create(name, "admin", projects=projects).text)
        for name, projects in (("everywhere", None), ("here", ["here"]))
    )
    store.close()
    body = {"url": "https://example.org/"}
    with served(settings) as api:
        of_all = api.post("/v1/webhooks", json=body, headers=everywhere).json()
        of_there = api.post("/v1/webhooks", json=body | {"project": "there"}, headers=everywhere).json()
        mine = api.post("/v1/webhooks", json=body, headers=here).json()
        assert (of_all["project"], of_there["project"], mine["project"]) == (None, "there", "here")
        assert [one["id"] for one in api.get("/v1/webhooks", headers=here).json()["webhooks"]] == [mine["id"]]
        assert len(api.get("/v1/webhooks", headers=everywhere).json()["webhooks"]) == 3
        problem(api.post("/v1/webhooks", json=body | {"project": "there"}, headers=here), 422)
        problem(api.post("/v1/webhooks", json=body | {"project": "nowhere"}, headers=everywhere), 422)
        for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/deliveries")):
            for other in (of_all, of_there, {"id": "none"}):
                refused = problem(api.request(method, f"/v1/webhooks/{other['id']}{path}", json={}, headers=here), 404)
                assert refused["detail"].replace(other["id"], "ID").startswith("there is no webhook 'ID'")


#: Addresses that lead into the server's own network, in all the ways they are written.
PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0",  # noqa: S104
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.0.8", "192.0.0.192", "198.18.0.1", "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[::]",
    "[::1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]",
    "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]",
    "[2001:db8::1]", "[100::1]", "[3fff::1]", "168.63.129.16",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_an_address_that_is_not_public_is_refused_at_once_and_when_a_name_leads_there(host: str) -> None:
    with pytest.raises(ValueError, match="which is not public"):
        check_url(f"https://{host}/", AllowList.parse(""))
    address = ip_address(host.strip("[]"))
    assert outcome_at("https://rebound.example/", [address]).answer.startswith("the URL leads to")
    # One public address does not excuse another.
    assert outcome_at("https://rebound.example/", [ip_address("8.8.8.8"), address]).answer.startswith(
        "the URL leads to"
    )


def outcome_at(url: str, addresses: Sequence[Address], allow: str = "") -> Outcome:
    """What an attempt at a URL leads to whose host has these addresses."""

    async def resolve(host: str, port: int) -> Sequence[Address]:
        return addresses

    settings = Settings(webhook_allow=allow, secret_key=SECRET_KEY)
    sender = WebhookSender(LazyStore("sqlite:///never-opened.db"), settings, resolve)
    secret = open_wrapper(settings).wrap(webhook_signature.make_secret())
    return asyncio.run(sender.attempt(Claimed("msg_1", 1, int(datetime.now(UTC).timestamp()), url, (secret,), b"{}")))


def test_another_name_of_this_machine_is_refused_once_it_is_looked_up(receiver: Receiver) -> None:
    settings = Settings(secret_key=SECRET_KEY)
    sender = WebhookSender(LazyStore("sqlite:///never-opened.db"), settings)
    secret = open_wrapper(settings).wrap(webhook_signature.make_secret())
    url = f"https://localhost:{receiver.port}/"
    outcome = asyncio.run(sender.attempt(Claimed("msg_1", 1, 1, url, (secret,), b"{}")))
    assert "which is not public" in outcome.answer
    assert receiver.came == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.org/", "must begin with https://; http:// is for"),
        ("ftp://example.org/", "must begin with https:// and a host"),
        ("https:///path", "must begin with https:// and a host"),
        ("https://me:secret@example.org/", "must have no user"),
        ("https://example.org/#part", "must have no user, no password, no fragment"),
        ("https://[fe80::1%25eth0]/", "no zone"),
        ("https://exa mple.org/", "of ASCII without blanks"),
        ("https://example.org\\@127.0.0.1/", "of ASCII without blanks and backslashes"),
        ("https://exämple.org/", "of ASCII"),
        ("https://example.org:99999/", "is no URL: Port out of range"),
        ("https://-.org/", "a host of letters"),
        (f"https://{'a' * 64}.org/", "a host of letters"),
        *(
            (f"https://{number}/", "or an address as 203.0.113.5")
            for number in ("2130706433", "0x7f.1", "127.0x1", "0177.0.0.1", "127.1", "0", "256.1.1.1", "127.0.0.1.")
        ),
        ("https://example.org/" + "x" * 2000, "at most 2000 characters"),
    ],
)
def test_a_url_that_may_not_be_sent_to_is_refused_with_the_reason(
    shared_api: httpx.Client, url: str, said: str
) -> None:
    refused = problem(shared_api.post("/v1/webhooks", json={"url": url}), 422)
    assert refused["title"] == "Invalid webhook"
    assert said in refused["errors"][0]["message"]
    assert refused["errors"][0]["field"] == "url"


def test_an_attempt_that_raises_whatever_error_is_settled_with_its_reason(store: Store) -> None:
    async def fail(host: str, port: int) -> Sequence[Address]:
        raise RuntimeError("nobody thought of it")

    sending = Sending(store, fail)
    odd, old = (sending.add(url)[0] for url in ("https://example.org/", "https://0177.0.0.1/"))
    end(store)
    assert sending.send() == 2
    assert statuses(sending, odd) == statuses(sending, old) == [("pending", 1)]
    answers = [sending.webhooks.deliveries(one, 1)[0].answer for one in (odd, old)]
    assert answers[0] == "RuntimeError: nobody thought of it"
    assert (answers[1] or "").startswith("the URL must have a host of letters")
    sending.clock.ahead = PAUSES[0] * 1.3  # long before the claim of a server that died is over
    assert sending.send() == 2


def test_the_connection_is_made_to_the_address_that_was_checked(receiver: Receiver) -> None:
    asked: list[str] = []

    async def rebind(host: str, port: int) -> Sequence[Address]:
        asked.append(host)
        return [ip_address("127.0.0.1" if len(asked) == 1 else "169.254.169.254")]

    settings = Settings(webhook_allow="inside.example", secret_key=SECRET_KEY)
    sender = WebhookSender(LazyStore("sqlite:///never-opened.db"), settings, rebind)
    secret = webhook_signature.make_secret()
    wrapped = open_wrapper(settings).wrap(secret)
    url = receiver.url("/a?b=c", "inside.example")
    claimed = Claimed("msg_1", 1, int(datetime.now(UTC).timestamp()), url, (wrapped,), b"{}")
    assert asyncio.run(sender.attempt(claimed)).delivered
    assert asked == ["inside.example"]
    assert receiver.came[0][0]["Host"] == f"inside.example:{receiver.port}"
    assert receiver.verified(secret) == [{}]


@pytest.mark.parametrize(("answer", "said"), [(b"", "no answer within 0.2 seconds"), (b"HTTP/1.1 200 OK\r\nA: ", "")])
def test_a_receiver_that_does_not_answer_or_never_ends_its_answer_is_left(answer: bytes, said: str) -> None:
    def hold(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(answer)
            while answer:
                connection.sendall(b"x" * 1000)
            while connection.recv(1000):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hold, args=(listener,))
        thread.start()
        settings = Settings(webhook_allow="127.0.0.1", secret_key=SECRET_KEY)
        sender = WebhookSender(LazyStore("sqlite:///never-opened.db"), settings, attempt_seconds=0.2)
        wrapped = open_wrapper(settings).wrap(webhook_signature.make_secret())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        outcome = asyncio.run(sender.attempt(Claimed("msg_1", 1, 1, url, (wrapped,), b"{}")))
        thread.join()
    assert (outcome.delivered, said in outcome.answer) == (False, True)


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """TLS for a name, by a certificate that signs itself and stands in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    signed = builder.sign(key, hashes.SHA256())
    (folder / "certificate.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def test_https_is_checked_for_the_name_and_not_for_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loopback = [ip_address("127.0.0.1")]
    with receiving(context=certificate(tmp_path, "hooks.example")) as receiver:
        url = receiver.url(host="hooks.example", scheme="https")
        assert "certificate verify failed" in outcome_at(url, loopback, "127.0.0.0/8").answer
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        assert outcome_at(url, loopback, "127.0.0.0/8") == Outcome(delivered=True, answer="204 No Content")
        other = receiver.url(host="other.example", scheme="https")
        assert "Hostname mismatch" in outcome_at(other, loopback, "127.0.0.0/8").answer
    assert len(receiver.came) == 1


def test_what_a_user_sees_and_does_by_command(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path).model_copy(update={"webhook_allow": "127.0.0.1"})
    with served(settings) as api:

        def webhooks(*arguments: str) -> Any:
            return run_command("webhooks", *arguments, REGSWEEP_SERVER_URL=str(api.base_url))

        secret = webhooks("add", receiver.url(), "--event", "study.ended").stdout.strip()
        listed = webhooks("list").stdout.split("\t")
        assert listed[1:4] == [receiver.url(), "study.ended", "all projects"]
        tested = webhooks("test", listed[0])
        assert (tested.returncode, tested.stdout) == (0, "delivered (1 attempt): 204 No Content\n")
        assert [message["type"] for message in receiver.verified(secret)] == ["webhook.test"]
        rotated = webhooks("rotate", listed[0], "--grace", "1h")
        assert "signed with the old secret too until " in rotated.stderr
        assert webhooks("test", listed[0]).returncode == 0
        assert receiver.verified(secret)[1]["type"] == "webhook.test"
        del receiver.came[0]
        assert receiver.verified(rotated.stdout.strip())[0]["type"] == "webhook.test"
        refused = webhooks("rotate", listed[0], "--grace", "31d")
        assert (refused.returncode, "grace_seconds" in refused.stderr) == (2, True)
        receiver.statuses = [503]
        tested = webhooks("test", listed[0], "--json")
        assert (tested.returncode, '"status": "failed"' in tested.stdout) == (1, True)
        assert len(webhooks("deliveries", listed[0]).stdout.splitlines()) == 3
        assert webhooks("list", "--json").stdout.count('"enabled": true') == 1
        assert webhooks("remove", listed[0]).returncode == 0
        gone = webhooks("test", listed[0])
        assert (gone.returncode, "there is no webhook" in gone.stderr) == (2, True)
        refused = webhooks("add", "https://10.0.0.1/")
        assert (refused.returncode, "which is not public" in refused.stderr) == (2, True)
        api.post("/v1/webhooks", json={"url": receiver.url()})
        [one] = api.get("/v1/webhooks").json()["webhooks"]
        path = f"/v1/webhooks/{one['id']}"
        changed = api.patch(path, json={"enabled": False, "events": ["comparison.ended"] * 2}).json()
        assert (changed["enabled"], changed["disabled_reason"]) == (False, "disabled by a user")
        assert changed["events"] == ["comparison.ended"]
        assert api.patch(path, json={"enabled": True}).json() == one | {"events": ["comparison.ended"]}
        problem(api.patch(path, json={"url": "https://localhost.\x00/"}), 422)
        problem(api.post("/v1/webhooks", json={"url": "https://example.org", "events": []}), 422)
        problem(api.get("/v1/webhooks/%00"), 404)


def test_webhooks_are_for_admins_and_no_more_than_a_hundred(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    store = Store(settings.database_url)
    keys = KeyStore(store)
    submit, admin = (bearer(keys.create(scope, scope).text) for scope in ("submit", "admin"))
    for index in range(MAX_WEBHOOKS - 1):
        WebhookStore(store).add(f"https://example.org/{index}", EVENTS, None, "wrapped")
    store.close()
    with served(settings) as api:
        body = {"url": "https://example.org/"}
        added = api.post("/v1/webhooks", json=body, headers=admin).json()
        assert added["created_by"] == "admin"
        for method, path in (
            ("GET", ""), ("POST", ""), ("GET", f"/{added['id']}"), ("HEAD", f"/{added['id']}"),
            ("PATCH", f"/{added['id']}"), ("DELETE", f"/{added['id']}"), ("POST", f"/{added['id']}/test"),
            ("GET", f"/{added['id']}/deliveries"),
        ):  # fmt: skip
            assert api.request(method, f"/v1/webhooks{path}", json=body, headers=submit).status_code == 403
        assert "may be no more" in problem(api.post("/v1/webhooks", json=body, headers=admin), 409)["detail"]


def test_without_a_key_to_wrap_secrets_none_is_made_on_postgresql(tmp_path: Path, postgresql_template: Any) -> None:
    settings = settings_in(tmp_path, postgresql_template.url("keyless", "prepared"))
    with pytest.raises(SecretKeyError) as refusal:
        open_wrapper(settings)
    with served(settings) as api:
        refused = problem(api.post("/v1/webhooks", json={"url": "https://example.org"}), 501)
        assert refused["detail"] == str(refusal.value)
        assert api.get("/v1/webhooks").json() == {"webhooks": []}


def test_a_wrong_entry_of_the_allowed_is_refused_at_the_start(tmp_path: Path) -> None:
    database_url = f"sqlite:///{tmp_path / 'new.db'}"
    refused = run_command("serve", "--database-url", database_url, REGSWEEP_WEBHOOK_ALLOW="10.0.0.0/33")
    assert refused.returncode == 2
    assert "REGSWEEP_WEBHOOK_ALLOW: '10.0.0.0/33' is no host, address or network" in refused.stderr
    allowed = AllowList.parse("hooks.internal, 10.0.0.0/8,[::1],")
    for url in ("http://hooks.internal/", "http://10.1.2.3/", "https://[::ffff:10.1.2.3]/", "http://[::1]/"):
        check_url(url, allowed)
