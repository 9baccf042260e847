"""Puts the ml-metadata wheel where the tests find it; its C++ store is what is tested against."""

from tests.pinned import add_to_path

add_to_path("lineage", "ml-metadata")
