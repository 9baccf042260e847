"""The base of the configuration's parts."""

from __future__ import annotations

from pydantic import ConfigDict

from mlstack.core.documentmodel import Strict


class Part(Strict):
    """Base of the configuration's parts: fields have one spelling, the one of the reference."""

    model_config = ConfigDict(populate_by_name=False)
