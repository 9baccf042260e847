"""The use cases around access to the platform: certificates, connections, why a request is let in. Part of ``Application``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.accessrequests import Ask, Question
    from mlstack.core.accessresults import CertificateInfo, Connection, Trust
    from mlstack.core.actions import Report
    from mlstack.core.authzresult import Explanation


class AccessUseCases:
    """Imports happen inside, so that a command loads only what it uses."""

    _session: Session

    def certificates(self) -> Sequence[CertificateInfo]:
        """The authority and every certificate."""
        from mlstack.app.certs import show

        return show(self._session)

    def rotate_certificates(self, authority: bool) -> Report:
        """Issues every certificate anew."""
        from mlstack.app.certs import rotate

        return rotate(self._session, authority)

    def trust(self, target: Path | None) -> Trust:
        """How to trust the authority."""
        from mlstack.app.certs import trust

        return trust(self._session, target)

    def connections(self) -> Sequence[Connection]:
        """What can be connected to."""
        from mlstack.app.connecting import connections

        return connections(self._session)

    def connect(self, ask: Ask) -> Connection:
        """A client's set-up for one endpoint."""
        from mlstack.app.connecting import connect

        return connect(self._session, ask)

    def explain(self, question: Question) -> Explanation:
        """Why the gateway answers a request as it does."""
        from mlstack.app.explaining import explain

        return explain(self._session, question)

    def rotate_credential(self, name: str) -> Report:
        """Makes a generated secret anew."""
        from mlstack.app.rotating import rotate

        return rotate(self._session, name)
