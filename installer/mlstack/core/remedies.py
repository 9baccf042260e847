"""What to do about errors whose remedy depends on the case: the general advice of the reference. Code -> text."""

from __future__ import annotations

REMEDIES: dict[str, str] = {
    "config.invalid": "correct the listed places; nothing was changed",
    "document.invalid": "correct the listed places; nothing was changed",
    "document.invalid-value": "correct the value; the reference of the configuration lists what is allowed",
    "yaml.syntax": "check the indentation, quotes and brackets on this line and the one above",
}
