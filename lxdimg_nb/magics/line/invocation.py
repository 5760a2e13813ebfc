"""One run of a verb: what every verb knows beside its own parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxdimg_nb.magics.session.session import Session

if TYPE_CHECKING:
    from lxdimg_nb.client import Client

__all__ = ["Invocation"]


@dataclass(slots=True)
class Invocation:
    """One run of a verb; `obj` of click's contexts.

    Attributes:
        body: the rest of the cell below `%%lxdimg`; None behind `%lxdimg`.
        project: of `--project`.
        result_name: of `-o`, the variable for the result.
    """

    session: Session
    body: str | None = None
    project: str | None = None
    result_name: str | None = None

    def client(self, remote: str = "") -> Client:
        """The client for a remote, or the connected one, in the project of the line."""
        return self.session.at(remote, self.project)
