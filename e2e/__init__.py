"""Acceptance suite: real cluster, real components, asserted values. Run it with ``make e2e``."""
