"""A child process that reads what strangers sent gets what it needs of the environment, and no secret."""

from __future__ import annotations

import pytest

from service.child_process import environment_without_secrets

SECRETS = ("AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "OTEL_EXPORTER_OTLP_HEADERS", "PGPASSWORD", "REGSWEEP_SECRET_KEY")


def test_a_reading_child_is_given_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("PYTHONPATH", "ours")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    given = environment_without_secrets()
    assert "secret" not in given.values()
    assert (given["PYTHONPATH"], given["LC_ALL"]) == ("ours", "C.UTF-8")
    assert "PATH" in given
