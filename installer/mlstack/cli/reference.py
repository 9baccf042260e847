"""The pages of ``docs/reference``, made from the code and the shipped data, so that they cannot differ from them."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from mlstack.cli.reference_errors import errors_page
from mlstack.cli.reference_support import PAGE, support_page
from mlstack.core import events
from mlstack.core.config import json_schema
from mlstack.core.configkeys import OTHER, variables
from mlstack.core.stackfile import Param, Stack
from mlstack.core.yamldoc import load, validate

NOTE = "<!-- Made by `mlstack dev docs`; change the code, not this page. -->\n"
WIDTH = 100


def pages(data: Path) -> dict[str, str]:
    """File name -> content of every reference page. data: root of the shipped data. Raises Problems on an invalid stack file."""
    return {
        "cli.md": cli_page(),
        "config.md": config_page(),
        "errors.md": errors_page(Path(inspect.getfile(events)).parent.parent),
        "events.md": events_page(),
        "mlstack.schema.json": json.dumps(json_schema(), indent=2) + "\n",
        "stacks.md": stacks_page(data),
        PAGE: support_page(data, NOTE),
    }


def cli_page() -> str:
    """Every command with its help."""
    from mlstack.cli.root import root

    parts = [f"{NOTE}\n# Commands\n\n```text\n{root.get_help(click.Context(root))}\n```\n\n{_EXIT_CODES}"]
    for path, command in _commands(root, ()):
        names = ["-h", "--help"]
        title = " ".join(("mlstack", *path))
        context = click.Context(
            command, info_name=title, terminal_width=WIDTH, max_content_width=WIDTH, help_option_names=names
        )
        parts.append(f"## mlstack {' '.join(path)}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


_EXIT_CODES = """Progress goes to stderr, results to stdout. With `--json`, commands that run something write their events (see
[events](events.md)) to stdout, one object a line, and end with a `Result` or an `Error`.

| exit code | meaning |
|---|---|
| 0 | done; for `status`: ready |
| 1 | something failed; what is done is kept and the next run goes on |
| 2 | wrong usage or an invalid configuration; nothing was changed |
| 3 | the machine or the platform does not fit (preflight, `doctor`); nothing was changed |
| 4 | `status`: not ready |
| 70 | a bug in mlstack; a report was written |
| 130 | interrupted |
"""


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        elif command is not None:
            yield (*path, name), command


def config_page() -> str:
    """Every field of ``mlstack.yaml`` with type, default, variable and meaning."""
    by_path = {path: name for name, path in variables().items()}
    rows = [
        f"| `{'.'.join(path)}` | {kind} | {default} | {_code(by_path.get(path, ''))} | {doc} |"
        for path, kind, default, doc in _fields(json_schema(), json_schema(), ())
    ]
    others = [f"| `{name}` | {doc} |" for name, doc in OTHER.items()]
    table = "\n".join(["| field | type | default | variable | meaning |", "|---|---|---|---|---|", *rows])
    other_table = "\n".join(["| variable | meaning |", "|---|---|", *others])
    return f"{NOTE}\n# Configuration\n\n{_CONFIG_TEXT}\n{table}\n\n## Other variables\n\n{other_table}\n"


_CONFIG_TEXT = """`mlstack.yaml` is looked for in the working directory, or named by `--file`. It may be missing:
every field has a default.

```yaml
apiVersion: mlstack/v1alpha1
kind: Config
name: mlstack
profile: minimal
provider:
  kind: {nodes: 1, ports: {minio: auto}}
stacks:
  mysql: {params: {engine: mariadb}}
```

A value is taken from the first of: a flag (`--name`, `--profile`, `--set path=value`), an
`MLSTACK_*` variable, the file, the release, the built-in default. `mlstack config show --origin`
tells which. A variable's name is the path in capitals with `_` between words and steps; names of
stacks and endpoints are written the same way (`MLSTACK_STACKS_ARGO_WORKFLOWS_PARAMS_PARALLELISM`,
`MLSTACK_PROVIDER_KIND_PORTS_MINIO`). Values of flags and variables are YAML. An empty variable
counts as not set, and one that nothing reads is an error. Relative paths in the file count from the
file's directory.

The YAML is read by the rules of YAML 1.2: only `true` and `false` are booleans (`yes`, `no`, `on`,
`off` are text); a version such as `3.10` needs quotes, or it is a number.

Editors check while you type with the [JSON Schema](mlstack.schema.json): put `#
yaml-language-server: $schema=<path of mlstack.schema.json>` on the first line.
"""


def _fields(
    node: Mapping[str, Any], schema: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str, str, str]]:
    for name, field in node.get("properties", {}).items():
        here = (*path, name)
        inner = _resolve(field, schema)
        if "properties" in inner:
            yield from _fields(inner, schema, here)
            continue
        default = _code(json.dumps(field["default"])) if field.get("default") not in ("", None, {}, []) else ""
        yield here, _type(field, schema), default, field.get("description", "").replace("|", "\\|")
        for item in (inner.get("additionalProperties"), inner.get("items")):
            if isinstance(item, Mapping):
                below = _resolve(item, schema)
                yield from _fields(
                    below, schema, (*here, "NAME") if item is not inner.get("items") else (*path, f"{name}[]")
                )


def _resolve(field: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = field.get("$ref", "").rpartition("/")[2]
    return schema["$defs"][name] if name else field


def _type(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    inner = _resolve(field, schema)
    if "enum" in inner:
        return ", ".join(_code(str(value)) for value in inner["enum"])
    if "const" in inner:
        return _code(str(inner["const"]))
    if "anyOf" in inner:
        return " or ".join(_type(option, schema) for option in inner["anyOf"] if option.get("type") != "null")
    if inner.get("type") == "array":
        return f"list of {_type(inner['items'], schema)}" if inner.get("items") else "list"
    if inner.get("type") == "object":
        value = inner.get("additionalProperties")
        return f"mapping of {_type(value, schema)}" if isinstance(value, Mapping) and "$ref" not in value else "mapping"
    return str(inner.get("type", "any"))


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def events_page() -> str:
    """Every event of the stream with its fields."""
    parts = [
        f"{NOTE}\n# Events\n",
        "With `--json`, one JSON object a line. `v` is the version of this format: it is raised when a field",
        f"changes its meaning or goes away; now it is {events.EVENTS_VERSION}. `type` is the name below, `time` is",
        "in seconds since the epoch.\n",
    ]
    for name, kind in vars(events).items():
        if not (dataclasses.is_dataclass(kind) and isinstance(kind, type)) or kind is events.Event:
            continue
        fields = [field for field in dataclasses.fields(kind) if field.name != "time"]
        rows = "\n".join(f"| `{field.name}` | `{field.type}` |" for field in fields)
        parts.append(f"## {name}\n\n{inspect.getdoc(kind)}\n\n| field | type |\n|---|---|\n{rows}\n")
    parts.append(
        "## Result, Error\n\nThe last line of a run. `Error` has the parts of an error (see [errors](errors.md)).\n"
    )
    return "\n".join(parts)


def stacks_page(data: Path) -> str:
    """Every stack and addon with its parameters."""
    parts = [f"{NOTE}\n# Stacks and addons\n"]
    for section in ("stacks", "addons"):
        for file in sorted((data / section).glob("*/*/stack.yaml")):
            text = file.read_text(encoding="utf-8")
            parts.append(_stack(validate(Stack, load(text, str(file.relative_to(data))))))
    return "\n".join(parts)


def _stack(stack: Stack) -> str:
    meta, spec = stack.metadata, stack.spec
    facts = {
        "license": meta.license,
        "homepage": meta.homepage,
        "images": "from a registry only" if spec.availability == "registry" else "",
        "requires": ", ".join(spec.requires),
        "works with": ", ".join(f"{name} {constraint}" for name, constraint in spec.beside.items()),
        "provides": ", ".join(spec.provides),
        "namespace": spec.namespace,
        "endpoints": ", ".join(f"{endpoint.name} ({endpoint.scheme})" for endpoint in spec.endpoints),
        "requests at most": f"{spec.budget.cpu} CPU, {spec.budget.memory} memory",
    }
    lines = [f"## {meta.name} {meta.version}\n", f"{meta.summary}\n"]
    lines += [f"- {name}: {value}" for name, value in facts.items() if value]
    if spec.params:
        lines += ["", "| parameter | type | default | allowed | meaning |", "|---|---|---|---|---|"]
        lines += [_param(name, param) for name, param in spec.params.items()]
    return "\n".join([*lines, ""])


def _param(name: str, param: Param) -> str:
    bounds = [
        f"from {param.min:g}" if param.min is not None else "",
        f"to {param.max:g}" if param.max is not None else "",
    ]
    allowed = ", ".join(param.values) or " ".join(part for part in bounds if part) or (_code(param.pattern))
    return f"| `{name}` | {param.type} | {_code(json.dumps(param.default))} | {allowed} | {param.doc} |"
