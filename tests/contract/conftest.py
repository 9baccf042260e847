"""Fixtures of the contract tests; what they are made of is in ``contract_data``."""

from contract_data import entry, rendered, workshop

__all__ = ["entry", "rendered", "workshop"]
