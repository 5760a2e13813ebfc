"""The members of a cluster, for errors: which of them do not answer, and which others there are.

A cluster says that it cannot reach a member, but not which one (LXD 5.0.2, Incus 6.0.4).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from lxdimg_nb.client.http.transport import TIMEOUTS, Transport
from lxdimg_nb.client.project import Project
from lxdimg_nb.errors import ApiError, LxdImageError, ServerUnreachableError

__all__ = ["ClusterMembers", "know_members"]

# Without a leader a cluster gives up after 5 s, or 20.
LIST_TIMEOUT = 6.0
# A member that lives answers through another one within milliseconds; for a dead one that waits 10 s.
PROBE_TIMEOUT = 3.0
PROBES_TIMEOUT = 10.0
# A message names so many.
SHOWN = 5
MAJORITY = "more than half of its members must run"


class ClusterMembers:
    """The members of a cluster, as one of them named them on connecting.

    Args:
        transport: the connection to one member.
        own: that member's name.
        addresses: of all members, by name.
        command: of the cluster's command line, `lxc` or `incus`.
    """

    def __init__(self, transport: Transport, own: str, addresses: Mapping[str, str], command: str) -> None:
        self._transport = transport
        self._own = own
        self._addresses = dict(addresses)
        self._command = command

    def advice(self) -> tuple[str, ...]:
        """What to do when this member cannot be reached: the others, which have the same images."""
        others = [name for name in self._addresses if name != self._own]
        if not others:
            return (f"it is the member {self._own} of a cluster: start it, or connect to another member",)
        return (f"it is the member {self._own} of a cluster: connect to another member, {self._named(others, 'or')}",)

    def advice_after_waiting(self) -> tuple[str, ...]:
        """What to do when it takes a request and does not answer."""
        return (*self.advice(), f"the database of the cluster may not answer: {MAJORITY}")

    def trouble(self) -> str:
        """Which members do not answer, and what to do; empty when all do.

        Source: GET /1.0/cluster/members?recursion=1, GET /1.0?target={member}.
        """
        try:
            rows = _rows(self._transport)
        except LxdImageError as error:
            if isinstance(error, ServerUnreachableError) and not isinstance(error.__cause__, TIMEOUTS):
                return self.advice()[0]
            return (
                f"the database of the cluster does not answer: {MAJORITY}; start those "
                f"that do not, of {self._named(self._addresses, 'and')}"
            )
        self._addresses |= {name: url for name, (url, _) in rows.items()}
        silent = [name for name, (_, status) in rows.items() if status == "Offline"] or self._unanswered(rows)
        if not silent:
            return ""
        members = "the member" if len(silent) == 1 else "the members"
        it, is_ = ("it", "is") if len(silent) == 1 else ("them", "are")
        return (
            f"{members} {self._named(silent, 'and')} of the cluster {is_} offline: start {it}, then try again "
            f"('{self._command} cluster list' shows them all)"
        )

    def _unanswered(self, names: Iterable[str]) -> list[str]:
        """Members that died so recently that the cluster does not call them offline."""
        silent, end = [], time.monotonic() + PROBES_TIMEOUT
        for name in names:
            if name == self._own or time.monotonic() > end:
                continue
            try:
                self._transport.get_once("/1.0", params={"target": name}, timeout=PROBE_TIMEOUT)
            except ServerUnreachableError:
                silent.append(name)
            except ApiError as error:
                if error.status_code >= 500:
                    silent.append(name)
            except LxdImageError:
                continue
        return silent

    def _named(self, names: Iterable[str], last: str) -> str:
        found = sorted(names)
        shown = [f"{name[:100]} ({self._addresses.get(name, '')[:100]})" for name in found[:SHOWN]]
        if len(found) > SHOWN:
            shown.append(f"{len(found) - SHOWN} more")
        return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {last} {shown[-1]}"


def know_members(project: Project) -> None:
    """Have the errors of a connection to a cluster name its members; elsewhere nothing is asked.

    Source: GET /1.0/cluster/members?recursion=1.
    """
    info, transport = project.info, project.transport
    if not info.cluster:
        return
    try:
        addresses = {name: url for name, (url, _) in _rows(transport).items()}
    except LxdImageError:
        addresses = {}  # not for this connection; its errors name one member
    command = "incus" if project.dialect.incus else "lxc"
    transport.cluster = ClusterMembers(transport, info.name, addresses, command)


def _rows(transport: Transport) -> dict[str, tuple[str, str]]:
    """The address and the status of each member by its name."""
    params = {"recursion": "1"}
    rows = transport.get_once("/1.0/cluster/members", params=params, timeout=LIST_TIMEOUT).metadata
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return {str(row.get("server_name")): (str(row.get("url")), str(row.get("status"))) for row in found}
