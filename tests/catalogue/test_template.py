"""Templates: strict, sandboxed, and every error tells the template's own line."""

from __future__ import annotations

import pytest

from mlstack.core.errors import MlstackError
from mlstack.core.template import Templates

CONTEXT = {"params": {"size": "10Gi", "count": 3, "items": ["a", "b"]}, "namespace": "argo"}


def failure(call, *arguments) -> MlstackError:
    with pytest.raises(MlstackError) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize(
    ("source", "line", "code"),
    [
        ("a: 1\nb: {{ params.sise }}\n", 2, "template.failed"),
        ("a: 1\nb: {{ nothing }}\n", 2, "template.failed"),
        ("a: 1\n\n{% if x %}\n", 3, "template.syntax"),
        ("a: {{ params.count + 'x' }}\n", 1, "template.failed"),
        ("{% for x in params['items'] %}\n- {{ x.y.z }}\n{% endfor %}\n", 2, "template.failed"),
        ("a: {{ 1 // 0 }}", 1, "template.failed"),
    ],
)
def test_errors_name_file_and_line(source: str, line: int, code: str) -> None:
    error = failure(Templates().text, source, "stacks/x/templates/a.yaml.j2", CONTEXT)
    assert (error.code, error.place.file, error.place.line) == (code, "stacks/x/templates/a.yaml.j2", line)


def test_a_mistyped_name_gets_a_suggestion() -> None:
    assert failure(Templates().text, "{{ params.sise }}", "f", CONTEXT).remedy == "did you mean 'size'?"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("a: 1\nb: [1\n", 2),
        ("{% if namespace == 'argo' %}\na: 1\n{% endif %}\nb: : 2\n", 4),
        ("{% for item in params['items'] %}\n- {{ item }}\n{% endfor %}\nx: 1\n", 4),
        ("{% if false %}\nlong\ntext\n{% endif %}\na: 1\nb: 'x\n", 6),
        ("a: 1\na: 2\n", 2),
    ],
)
def test_broken_yaml_names_the_line_of_the_template(source: str, line: int) -> None:
    error = failure(Templates().objects, source, "t.yaml.j2", CONTEXT)
    assert error.code == "template.not-yaml"
    assert abs(error.place.line - line) <= 1, "YAML may notice on the next line"
    assert error.place.line <= source.count("\n") + 1


def test_objects_are_parsed_and_empty_documents_left_out() -> None:
    assert Templates().objects("---\na: {{ params.count }}\n---\n---\nb: 0644\n", "f", CONTEXT) == [
        {"a": 3},
        {"b": 420},
    ]


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ params.__init__.__globals__ }}",
        "{{ params.update({'size': 1}) }}",
        "{{ range(10 ** 9) }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    ],
)
def test_the_sandbox_holds(source: str) -> None:
    assert failure(Templates().text, source, "f", CONTEXT).code == "template.failed"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{{ params.count }}", 3),
        ("{{ params['items'] }}", ["a", "b"]),
        ("n{{ params.count }}", "n3"),
        ("{{ params.count }}{{ params.count }}", "33"),
        ("plain", "plain"),
        (7, 7),
        ({"a": ["{{ namespace }}"]}, {"a": ["argo"]}),
        ("{{ params.size | bytes }}", 10 * 2**30),
    ],
)
def test_values_keep_the_type_of_a_single_expression(value, expected) -> None:
    assert Templates().value(value, "where", CONTEXT) == expected


@pytest.mark.parametrize("value", ["{{ params.sise }}", "x{{ params.sise }}", "{{ params. }}", "{{ nothing.at.all }}"])
def test_values_are_as_strict_as_templates(value: str) -> None:
    assert failure(Templates().value, value, "where", CONTEXT).code.startswith("template.")


def test_other_marks_leave_the_workflow_engines_alone() -> None:
    templates = Templates(("${{", "}}"))
    text = "{{workflow.name}} ${{ params.count }} {% raw %} {# no comment #} ${#shell}"
    assert templates.value(text, "w", CONTEXT) == "{{workflow.name}} 3 {% raw %} {# no comment #} ${#shell}"


@pytest.mark.parametrize(
    ("expression", "expected"), [("", True), ("params.count > 2", True), ("params.count > 3", False)]
)
def test_conditions(expression: str, expected: bool) -> None:
    assert Templates().holds(expression, "w", CONTEXT) is expected
