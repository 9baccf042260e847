"""Paths as the gateway compares them: whatever way one is written, it is told where it leads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstack.core.urlpath import LEVELS, matches, normalized

SEGMENTS = st.sampled_from(
    ["a", "dex", "..", ".", "%2e%2e", "%2E.", "", "..;x", "x%2Fy", "%5c..", "\\", "%64ex", "%zz"]
)
PATHS = st.lists(SEGMENTS, max_size=8).map(lambda parts: "/" + "/".join(parts))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("", "/"),
        ("/a?x=/../b#c", "/a"),
        ("/%64ex/", "/dex/"),
        ("/dex/../x", "/x"),
        ("/dex/..", "/"),
        ("/dex/.", "/dex/"),
        ("/dex/..;/x", "/x"),
        ("/dex/%2e%2e/x", "/x"),
        ("/dex/..%2fx", "/x"),
        ("/dex/..%5Cx", "/x"),
        ("/dex\\x", "/dex/x"),
        ("//dex///x", "/dex/x"),
        ("/../../x", "/x"),
        ("/%zz", "/%zz"),
        ("/a%20b", "/a%20b"),
        ("/a%252fb", "/a%252fb"),
    ],
)
def test_known_ways_to_write_a_path(target, path):
    assert normalized(target) == path


@given(PATHS)
def test_a_normalized_path_is_absolute_plain_and_stays_as_it_is(target):
    path = normalized(target)
    assert path.startswith("/")
    assert "//" not in path
    assert "\\" not in path
    assert not {"..", "."} & set(path.split("/"))
    assert normalized(path) == path


@given(PATHS)
def test_more_normalization_never_undoes_less(target):
    once = normalized(target, "NONE")
    assert once == (target.partition("?")[0] or "/")
    for level in LEVELS[1:]:
        assert normalized(normalized(target, level), level) == normalized(target, level)


@given(st.text("ab/", max_size=5), st.text("ab/", max_size=5), st.text("ab/", max_size=5))
def test_a_pattern_is_a_beginning_an_end_or_the_whole(start, middle, end):
    value = start + middle + end
    assert matches(start + "*", value) or (start == "" and not value)
    assert matches("*" + end, value) or (end == "" and not value)
    assert matches(value, value)
    assert matches(start + "*", middle) == (middle.startswith(start) if start else bool(middle))
