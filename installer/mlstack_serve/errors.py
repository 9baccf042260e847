"""What can be wrong with a request or a model, apart from how a protocol says it."""

from __future__ import annotations


class BadRequest(ValueError):
    """The request is not one that this model can answer; the message says why and what it takes."""


class UnknownModel(LookupError):
    """No model of that name is served here; the message names the one that is."""


class BadModel(RuntimeError):
    """The files that were fetched are no model that can be served; the message says what was looked for."""
