"""The loop that sweeps a study: claim, ask, train, report, tell."""
