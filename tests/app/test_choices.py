"""What an instance remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlstack.app.choices import Choices
from mlstack.core.errors import MlstackError


def test_what_is_written_is_read_again_and_private(tmp_path: Path) -> None:
    choices = Choices(tmp_path / "lab" / "choices.json")
    assert choices.read() == {}
    choices.write(ports={"s3": 9000})
    choices.write(addons={"registry": True})
    assert (dict(choices.ports), dict(choices.addons)) == ({"s3": 9000}, {"registry": True})
    choices.write(profile="standard")
    assert choices.settings == {"addons.registry.enabled": True, "profile": "standard"}
    assert (tmp_path / "lab" / "choices.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("noise", [b"", b"{", b"\xff\xfe", b"[1]", b"null"])
def test_a_damaged_file_is_named_with_a_remedy(tmp_path: Path, noise: bytes) -> None:
    path = tmp_path / "choices.json"
    path.write_bytes(noise)
    with pytest.raises(MlstackError) as caught:
        _ = Choices(path).addons
    assert (
        caught.value.code == "choices.damaged" and str(path) in caught.value.what and "--profile" in caught.value.remedy
    )
