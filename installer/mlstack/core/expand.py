"""What a stack says once and wants for every profile: Secrets, buckets, certificates with expressions filled in. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from mlstack.core.errors import ExitCode, MlstackError, Place
from mlstack.core.servicespec import BucketSpec, SecretSpec
from mlstack.core.stackfile import CertificateSpec
from mlstack.core.template import Templates
from mlstack.core.tls import server_names

Spec = TypeVar("Spec", SecretSpec, BucketSpec)
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def secrets_of(
    specs: Sequence[SecretSpec], templates: Templates, where: str, context: Mapping[str, Any]
) -> tuple[SecretSpec, ...]:
    """The Secrets with names, copies and literals rendered; a copy that is a list is spread."""
    found = []
    for spec, seen in _each(specs, context):
        named = _named(spec, templates, where, seen)
        copies = _spread(templates.value(list(spec.copies), where, seen))
        literals = templates.value(dict(spec.literals), where, seen)
        credential = templates.value(spec.credential, where, seen)
        given = templates.value(dict(spec.given), where, seen)
        fixed = {"literals": literals, "given": given, "credential": credential}
        filled = {"copies": list(dict.fromkeys(copies)), **fixed}
        found.append(named.model_copy(update=filled))
    return tuple(found)


def buckets_of(
    specs: Sequence[BucketSpec], templates: Templates, where: str, context: Mapping[str, Any]
) -> tuple[BucketSpec, ...]:
    """The buckets with their names rendered."""
    return tuple(_named(spec, templates, where, seen) for spec, seen in _each(specs, context))


def certificates_of(
    specs: Sequence[CertificateSpec], templates: Templates, where: str, context: Mapping[str, Any]
) -> tuple[CertificateSpec, ...]:
    """The certificates with their names rendered; a name that is a list is spread."""
    rendered = [_spread(templates.value(list(spec.dns_names), where, context)) for spec in specs]
    return tuple(
        spec.model_copy(update={"dns_names": list(server_names(names))})
        for spec, names in zip(specs, rendered, strict=True)
    )


def _spread(values: Sequence[Any]) -> list[Any]:
    """The values, with those of a list in the place of the list."""
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


def _each(specs: Sequence[Spec], context: Mapping[str, Any]) -> Iterator[tuple[Spec, Mapping[str, Any]]]:
    """(specification, what its expressions see) once, or once for every profile."""
    for spec in specs:
        for item in context[spec.each] if spec.each else [None]:
            yield spec, context if item is None else {**context, "profile": item}


def _named(spec: Spec, templates: Templates, where: str, context: Mapping[str, Any]) -> Spec:
    """The specification for one thing. Raises MlstackError stack.bad-name when an expression gives no DNS label."""
    named = {"name": str(templates.value(spec.name, where, context))}
    if isinstance(spec, BucketSpec) and spec.secret:
        named["secret"] = str(templates.value(spec.secret, where, context))
    for text in named.values():
        if not _LABEL.fullmatch(text):
            raise MlstackError(
                "stack.bad-name",
                f"'{text}' cannot be the name of a Secret or bucket",
                remedy="correct the expression: it has to give lower-case letters, digits and dashes, at most 63",
                place=Place(where),
                exit_code=ExitCode.USAGE,
            )
    return spec.model_copy(update={**named, "each": ""})
