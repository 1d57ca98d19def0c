"""`regsweep webhooks`: addresses that a server tells when a study or a comparison ends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.durations import parse_duration
from service.cli.options import JsonOption, KeyOption, ServerOption, open_client, print_json, refuse
from service.cli.output import say

if TYPE_CHECKING:
    from service.schemas.webhooks import DeliveryView

webhooks = typer.Typer(
    help="Add, list, rotate, test and remove addresses that the server tells when a study or a comparison ends.",
    no_args_is_help=True,
)
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As `regsweep webhooks list` shows it.")]


@webhooks.command("add")
def add_webhook(
    url: Annotated[str, typer.Argument(metavar="URL", help="https://… that answers a POST with 2xx.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="study.ended or comparison.ended; repeat for both, which is the default."),
    ] = None,
    project: Annotated[str | None, typer.Option(help="Whose studies it is told of; default all.")] = None,
    server: ServerOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a webhook and print the secret that its messages are signed with; it is never shown again."""
    from service.schemas.webhooks import EVENTS

    chosen = [known for known in EVENTS if known in (event or EVENTS)]
    if unknown := set(event or ()) - set(chosen):
        refuse(f"--event: '{min(unknown)}' is none; choose from {', '.join(EVENTS)}")
    with open_client(server, key) as client:
        added = client.add_webhook(url, chosen, project)
    if as_json:
        print_json(added)
        return
    say(added.secret)
    say(f"regsweep: webhook {added.id} is added; try it with `regsweep webhooks test {added.id}`", file=sys.stderr)


@webhooks.command("list")
def list_webhooks(server: ServerOption = None, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """List the webhooks: id, URL, events, project, whether it is enabled, and how many deliveries wait."""
    with open_client(server, key) as client:
        found = client.webhooks()
    if as_json:
        print_json(found)
        return
    for one in found:
        state = "enabled" if one.enabled else f"disabled: {one.disabled_reason}"
        say(one.id, one.url, ", ".join(one.events), one.project or "all projects", state, f"waiting {one.waiting}",
              sep="\t")  # fmt: skip


@webhooks.command("remove")
def remove_webhook(webhook_id: IdArgument, server: ServerOption = None, key: KeyOption = None) -> None:
    """Remove a webhook, and what waits for it."""
    with open_client(server, key) as client:
        client.delete_webhook(webhook_id)


@webhooks.command("enable")
def enable_webhook(
    webhook_id: IdArgument, server: ServerOption = None, key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Enable a webhook that was disabled; it is told what waited."""
    with open_client(server, key) as client:
        changed = client.change_webhook(webhook_id, enabled=True)
    if as_json:
        print_json(changed)


@webhooks.command("rotate")
def rotate_webhook(
    webhook_id: IdArgument,
    grace: Annotated[
        str, typer.Option(metavar="24h", help="Time for which the old secret signs too, at most 30d; 0s: none.")
    ] = "24h",
    server: ServerOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a webhook a new secret and print it; the old one signs its messages too until the grace period is over."""
    grace_seconds = parse_duration("--grace", grace, least=0.0)
    with open_client(server, key) as client:
        rotated = client.rotate_webhook(webhook_id, grace_seconds)
    if as_json:
        print_json(rotated)
        return
    say(rotated.secret)
    if rotated.old_secret_until is not None:
        until = f"{rotated.old_secret_until:%Y-%m-%d %H:%M} UTC"
        say(f"regsweep: messages are signed with the old secret too until {until}", file=sys.stderr)


@webhooks.command("test")
def try_webhook(
    webhook_id: IdArgument, server: ServerOption = None, key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Send a webhook a test, and print what it answered; exit with 1 when that is not 2xx."""
    with open_client(server, key) as client:
        delivery = client.test_webhook(webhook_id)
    if as_json:
        print_json(delivery)
    else:
        say(_told(delivery))
    if delivery.status != "delivered":
        raise typer.Exit(1)


@webhooks.command("deliveries")
def list_deliveries(
    webhook_id: IdArgument, server: ServerOption = None, key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """List what a webhook was told in the last 30 days, newest first."""
    with open_client(server, key) as client:
        found = client.webhook_deliveries(webhook_id)
    if as_json:
        print_json(found)
        return
    for one in found:
        say(f"{one.created_at:%Y-%m-%d %H:%M} UTC", one.event, one.study or "", _told(one), sep="\t")


def _told(delivery: DeliveryView) -> str:
    attempts = f"{delivery.attempts} attempt{'' if delivery.attempts == 1 else 's'}"
    next_at = f", next at {delivery.next_at:%Y-%m-%d %H:%M} UTC" if delivery.next_at is not None else ""
    return f"{delivery.status} ({attempts}{next_at}): {delivery.answer or 'not tried yet'}"
