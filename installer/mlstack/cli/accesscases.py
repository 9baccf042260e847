"""The part of the seam to ``mlstack.app`` that is about access: certificates, connections, why a request is let in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mlstack.core.accessrequests import Ask, Question
from mlstack.core.accessresults import CertificateInfo, Connection, Trust
from mlstack.core.actions import Report
from mlstack.core.authzresult import Explanation


class AccessApp(Protocol):
    """The use cases around access; errors as in ``usecases.App``."""

    def certificates(self) -> Sequence[CertificateInfo]: ...
    def rotate_credential(self, name: str) -> Report: ...
    def rotate_certificates(self, authority: bool) -> Report: ...
    def trust(self, target: Path | None) -> Trust: ...
    def connections(self) -> Sequence[Connection]: ...
    def connect(self, ask: Ask) -> Connection: ...
    def explain(self, question: Question) -> Explanation: ...
