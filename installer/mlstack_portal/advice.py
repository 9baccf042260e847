"""What to do about a component that is not ready: advice by the reason that ``mlstack.core.pending`` found."""

from __future__ import annotations

import re

_RULES: tuple[tuple[str, str], ...] = (
    (
        r"ErrImageNeverPull|ImagePullBackOff|ErrImagePull|InvalidImageName",
        "Its image is not in the nodes. Run `mlstack up`: it brings the image there and goes on.",
    ),
    (
        r"OOMKilled",
        "It needs more memory than its limit. Raise the stack's memory parameter in mlstack.yaml "
        "(`mlstack stack show {stack}` lists them), then run `mlstack up`.",
    ),
    (
        r"Insufficient (cpu|memory)|Too many pods",
        "The nodes are full. Stop runs you do not need, or give the machine more room and run `mlstack up`.",
    ),
    (
        r"CrashLoopBackOff|ended with exit code",
        "It ends right after it starts. Its last words tell why: `mlstack logs {stack}`.",
    ),
    (
        r"volume|PersistentVolumeClaim|FailedMount|ProvisioningFailed",
        "Its volume is not there. Check the free disk space with `mlstack doctor`, then run `mlstack up`.",
    ),
    (
        r"[Pp]robe failed|Unhealthy",
        "It runs but does not answer yet. If that lasts longer than some minutes: `mlstack logs {stack}`.",
    ),
    (r"forbidden|exceeded quota", "The cluster refuses its pods. `mlstack doctor` tells which rule it is."),
)
_OTHERWISE = "If it lasts longer than some minutes: `mlstack logs {stack}`, and `mlstack up` to set it right."


def advice(stack: str, reason: str) -> str:
    """One or two sentences; commands are between backquotes. The first rule that fits the reason counts."""
    for pattern, text in _RULES:
        if re.search(pattern, reason):
            return text.format(stack=stack)
    return _OTHERWISE.format(stack=stack)
