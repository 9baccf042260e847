"""Bases of the models of documents: stack files, releases, recipes, samples, the configuration."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Strict(BaseModel):
    """Base of every document model: frozen, unknown fields are errors, camelCase aliases as in Kubernetes."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        alias_generator=lambda name: "".join(
            part if index == 0 else part.capitalize() for index, part in enumerate(name.split("_"))
        ),
    )


class Grown(Strict):
    """A model that got fields after the first store keys were made: they are left out of a description while unused, so that
    those keys stay."""

    LATE: ClassVar[tuple[str, ...]]
    """The fields."""

    @model_serializer(mode="wrap")
    def _without_unused(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = dump(self)
        return {name: value for name, value in data.items() if name not in self.LATE or value}
