"""YAML with positions: cases of good and bad text, each with every place it must name."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstack.core.errors import MlstackError, Problems
from mlstack.core.stackfile import Patch, Stack
from mlstack.core.yamldoc import examine, load, load_objects, validate, validate_items
from mlstack.core.yamltree import dotted

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Bad:
    id: str
    text: str
    problems: list[tuple[str, int]] = field(default_factory=list)


BAD = [
    Bad("every tab", "a: 1\nb:\n\tc: 1\n\td: 2\n", [("yaml.tab", 3), ("yaml.tab", 4)]),
    Bad("tab behind spaces", "a:\n  \tb: 1\n", [("yaml.tab", 2)]),
    Bad("tab and duplicate", "a:\n\tb: 1\na: 2\n", [("yaml.tab", 2), ("yaml.duplicate-key", 3)]),
    Bad("duplicate", "a: 1\nb: 2\na: 3\n", [("yaml.duplicate-key", 3)]),
    Bad("duplicate three times", "a: 1\na: 2\na: 3\n", [("yaml.duplicate-key", 2), ("yaml.duplicate-key", 3)]),
    Bad("duplicate inside", "x:\n- a: 1\n  a: 2\n", [("yaml.duplicate-key", 3)]),
    Bad("duplicate inside a duplicate", "a: {b: 1}\na: {c: 1, c: 2}", [("yaml.duplicate-key", 2)] * 2),
    Bad("unclosed bracket", "a: [1\nb: 2\n", [("yaml.syntax", 2)]),
    Bad("two broken parts", "a: [1\nb: 2\nc: {x\nd: 4\n", [("yaml.syntax", 2), ("yaml.syntax", 4)]),
    Bad("broken and duplicate", "a: [1\nb: 2\nb: 3\n", [("yaml.syntax", 2), ("yaml.duplicate-key", 3)]),
    Bad("unclosed quote", "a: 'x\nb: 2\n", [("yaml.syntax", 1)]),
    Bad("colon in a value", "a: b: c\n", [("yaml.syntax", 1)]),
    Bad("unknown alias", "a: *x\n", [("yaml.syntax", 1)]),
    Bad("tag", "a: !!python/object/apply:os.system [ls]\n", [("yaml.tag", 1)]),
    Bad("wrong tag", "a: !!int x\n", [("yaml.tag", 1)]),
    Bad("number as key", "a:\n  1: x\n", [("yaml.key", 2)]),
    Bad("mapping as key", "{a: 1}: x\n", [("yaml.key", 1)]),
    Bad("control character", "a: 1\nb: \x01\n", [("yaml.syntax", 2)]),
    Bad("no text", "a: \udcff\n", [("yaml.encoding", 0)]),
    Bad("recursive", "&a [*a]\n", [("yaml.too-large", 1)]),
    Bad("deep flow", "[" * 100_000, [("yaml.syntax", 1)]),
    Bad("deep block", "- " * 100_000, [("yaml.syntax", 1)]),
    Bad("two documents", "a: 1\n---\nb: 2\n", [("yaml.syntax", 2)]),
    Bad("merge of a scalar", "a: 1\n<<: 2\n", [("yaml.tag", 2)]),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.id)
def test_every_problem_is_found_with_its_line(case):
    found = examine(case.text, "f.yaml").problems
    assert sorted((problem.code, problem.place.line) for problem in found) == sorted(case.problems)
    assert all(problem.remedy and problem.place.file == "f.yaml" for problem in found)
    with pytest.raises(Problems):
        load(case.text, "f.yaml")


def test_an_alias_bomb_is_refused_at_once():
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    begun = time.perf_counter()
    assert [problem.code for problem in examine("\n".join(lines)).problems] == ["yaml.too-large"]
    assert time.perf_counter() - begun < 1


SCALARS = {
    "yes": "yes", "no": "no", "on": "on", "off": "off", "y": "y", "true": True, "FALSE": False,
    "0644": 420, "0o644": 420, "08": 8.0, "12": 12, "-3": -3, "0x1F": 31, "1_000": "1_000",
    "1:30": "1:30", "22:22": "22:22", "2024-01-01": "2024-01-01", "1e3": 1000.0, "1.5": 1.5, ".inf": float("inf"),
    "=": "=", "~": None, "null": None, "1.2.3": "1.2.3", "0.10": 0.1, "'0.10'": "0.10", "!!str 5": "5",
}  # fmt: skip


@pytest.mark.parametrize("text", SCALARS)
def test_scalars_mean_the_same_with_and_without_positions(text):
    value = SCALARS[text]
    document = load(f"a: {text}\n")
    assert document.data == {"a": value} and type(document.data["a"]) is type(value)
    if not text.startswith("!!"):
        assert load_objects(f"a: {text}\n") == [{"a": value}]


def test_aliases_and_merges():
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [*b, {z: 9, x: 8}]}\n"
    assert load(text).data == {"base": {"x": 1, "y": 2}, "one": {"x": 1, "y": 3}, "two": {"x": 1, "y": 2, "z": 9}}
    assert load_objects(text) == [load(text).data]


def test_places_of_values_keys_and_of_what_is_not_there():
    document = load("a:\n  b:\n    - x: 1\n    - x: 2\n      y: |\n        long\n  'c.d': 3\n", "f.yaml")
    assert str(document.place_of(("a", "b", 1, "x"))) == "f.yaml:4 a.b[1].x"
    assert str(document.place_of(("a", "b"), key=True)) == "f.yaml:2 a.b"
    assert str(document.place_of(("a", "c.d"))) == 'f.yaml:7 a."c.d"'
    assert document.place_of(("a", "b", 1, "z")).line == 4
    assert document.place_of(("q",)).line == 1
    assert dotted(()) == ""


def test_stream_of_objects_names_file_and_line_of_an_error():
    assert load_objects("---\na: 1\n---\n---\nb: {c: 2}\n") == [{"a": 1}, {"b": {"c": 2}}]
    for text, line in {"a: 1\n---\nb: [\n": 4, "a: 1\n---\nb: 1\nb: 2\n": 4}.items():
        with pytest.raises(MlstackError) as caught:
            load_objects(text, "t.yaml")
        assert (caught.value.code, caught.value.place.line) == ("yaml.syntax", line)


STACK = """apiVersion: mlstack/v1alpha1
kind: Stak
metadata: {name: demo, version: 3.10, sumary: x, license: MIT, homepage: h}
spec:
  kubernetes: ">=1.32"
  namespace: demo
  params:
    size: {type: integr, default: 1, doc: d}
  manifests:
    - {sorce: x}
    - {source: x, files: [a]}
  images:
    - {ref: a/b:c, build: {go: [{lock: l, packages: []}]}}
  budget: {cpu: lots, memory: 1Gi}
"""


def test_validation_names_every_problem_with_path_and_suggestion():
    with pytest.raises(Problems) as caught:
        validate(Stack, load(STACK, "stack.yaml"))
    found = {str(problem.place): problem for problem in caught.value.problems}
    wanted = {
        "stack.yaml:2 kind": ("document.invalid-value", "Stack"),
        "stack.yaml:3 metadata.version": ("document.wrong-type", "quotes"),
        "stack.yaml:3 metadata.sumary": ("document.unknown-field", "did you mean 'summary'?"),
        "stack.yaml:3 metadata.summary": ("document.missing-field", "summary"),
        "stack.yaml:8 spec.params.size.type": ("document.invalid-value", "did you mean 'integer'?"),
        "stack.yaml:10 spec.manifests[0].sorce": ("document.unknown-field", "did you mean 'source'?"),
        "stack.yaml:13 spec.images[0].build.go[0].packages": ("document.wrong-type", "correct"),
        "stack.yaml:14 spec.budget.cpu": ("document.invalid-value", "correct"),
    }
    assert set(found) == set(wanted)
    for place, (code, remedy) in wanted.items():
        assert found[place].code == code and remedy in found[place].remedy, place
    assert caught.value.exit_code == 2


def test_what_can_be_read_of_a_broken_text_is_validated_too():
    text = "apiVersion: mlstack/v1alpha1\nkind: Stak\nmetadata: {name: [\nspec: 3\n"
    with pytest.raises(Problems) as caught:
        validate(Stack, examine(text, "f"))
    assert [(p.code, p.place.line) for p in caught.value.problems] == [
        ("yaml.syntax", 4), ("document.invalid-value", 2), ("document.wrong-type", 4),
    ]  # fmt: skip


def test_lists_of_models():
    assert [
        patch.target.kind for patch in validate_items(Patch, load("- target: {kind: A}\n- target: {kind: B}\n"))
    ] == ["A", "B"]
    assert validate_items(Patch, load("")) == []
    with pytest.raises(Problems) as caught:
        validate_items(Patch, load("- target: {kind: A}\n- tarjet: {kind: B}\n- x\n", "p.yaml"))
    assert [p.place.line for p in caught.value.problems] == [2, 2, 3]
    with pytest.raises(Problems):
        validate_items(Patch, load("a: 1\n"))


@pytest.mark.parametrize("text", ["", "x", "[1]", "3", "null"])
def test_a_document_that_is_no_mapping(text):
    with pytest.raises(Problems) as caught:
        validate(Stack, load(text, "f"))
    assert [p.code for p in caught.value.problems] == ["document.wrong-type"]


PIECES = st.sampled_from(
    [*"ab:\n\t[]{}'\"#|>?1~,%é\x85\u2028", ": ", "  ", "- ", "&a", "*a", "!!x ", "<<", "---", "a:\n", "\n  b: "]
)


@settings(max_examples=300, deadline=1000)
@given(st.one_of(st.lists(PIECES, max_size=40).map("".join), st.text(max_size=60)))
def test_any_text_gives_data_or_our_errors_with_a_place(text):
    document = examine(text, "f.yaml")
    assert all(problem.place.file == "f.yaml" for problem in document.problems)
    try:
        validate(Stack, document)
    except Problems as error:
        assert error.problems
    try:
        load_objects(text, "f.yaml")
    except MlstackError as error:
        assert error.place.file == "f.yaml"


SHIPPED = sorted(ROOT.glob("stacks/*/*/stack.yaml"))[:4]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_stack_file_gives_our_errors_within_a_second(data):
    text = data.draw(st.sampled_from(SHIPPED)).read_text(encoding="utf-8")
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 30)))
        text = text[:start] + data.draw(PIECES | st.text(max_size=5)) + text[end:]
    begun = time.process_time()
    try:
        validate(Stack, examine(text, "stack.yaml"))
    except Problems as error:
        assert error.problems and all(problem.place.file == "stack.yaml" for problem in error.problems)
    assert time.process_time() - begun < 1
