"""Simulates many workers: the real store, scheduler, ledger and sampler; recorded trainings; virtual time."""
