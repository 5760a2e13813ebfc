"""Apply the steps of a plan. Each image is read again first, and left alone if it has changed.

For pruning the rules are evaluated again on a fresh listing before anything is deleted; then each image is
compared once more, with its aliases and users, right before it is deleted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from lxdimg_nb.errors import (
    ChangedMeanwhileError,
    ImageExistsError,
    InvalidRequestError,
    LxdImageError,
    NotFoundError,
    ServerUnreachableError,
)
from lxdimg_nb.inventory.fleet.fleet import Fleet
from lxdimg_nb.inventory.plans.receipts import Outcome
from lxdimg_nb.inventory.plans.step import PlannedServer, Step, current_state
from lxdimg_nb.text import display

if TYPE_CHECKING:
    from lxdimg_nb.client import Client, Image

__all__ = ["Clients", "Rules", "apply_steps", "clients_for"]

Rules = Callable[[pd.DataFrame, datetime], list[Step]]
"""Plans the steps for a frame at a time."""


class _Skip(Exception):  # noqa: N818 (no error: the step is no longer right)
    """The step is left out; the message says why."""


class Clients:
    """The clients of a plan's servers, and by server why one cannot be reached."""

    def __init__(self, clients: Mapping[str, Client], lost: dict[str, str]) -> None:
        self.by_server = clients
        self.lost = lost
        self._projects: dict[tuple[str, str], Client] = {}

    def at(self, server: str, project: str) -> Client:
        """A client that works in a project of a server."""
        client = self.by_server[server]
        if client.images.project == project:
            return client
        if (server, project) not in self._projects:
            self._projects[server, project] = client.in_project(project)
        return self._projects[server, project]


@contextmanager
def clients_for(
    steps: Sequence[Step],
    servers: Mapping[str, PlannedServer],
    project: str,
    given: Client | Mapping[str, Client] | Fleet,
) -> Iterator[Clients]:
    """The clients that the steps need, checked against the servers that the plan was made for.

    Raises:
        InvalidRequestError: a client is missing, or talks to another server or project.
    """
    needed = {step.server for step in steps} | {step.source for step in steps if step.source}
    if isinstance(given, Fleet):
        with given.connected(needed) as (found, lost):
            yield Clients(_checked(found, servers, project), lost)
        return
    if isinstance(given, Mapping):
        if missing := sorted(needed - set(given)):
            raise InvalidRequestError(f"the plan changes {', '.join(missing)}, too; give a client for it")
        found = {name: given[name] for name in needed}
    elif not hasattr(given, "images"):
        raise InvalidRequestError(
            f"apply takes the server's client, clients by name, or a fleet, not a {type(given).__name__}"
        )
    elif len(needed) > 1:
        raise InvalidRequestError(f"the plan is about {len(needed)} servers; give a client for each: {{name: client}}")
    else:
        found = dict.fromkeys(needed, given)
    yield Clients(_checked(found, servers, project), {})


def _checked(clients: Mapping[str, Client], servers: Mapping[str, PlannedServer], project: str) -> Mapping[str, Client]:
    for name, client in clients.items():
        server = servers.get(name, PlannedServer(""))
        if not server.is_reached_by(client):
            planned = display.sanitize(server.url) or "a frame that names no server"
            raise InvalidRequestError(
                f"the plan was made for {planned}, this client talks to {client.url}; nothing was changed"
            )
        if project not in ("*", client.images.project):
            raise InvalidRequestError(
                f"the plan was made for the project {project}, this client works in {client.images.project}; "
                "nothing was changed"
            )
    return clients


def apply_steps(
    steps: Sequence[Step],
    clients: Clients,
    outcomes: list[Outcome],
    *,
    rules: Rules | None,
    all_projects: bool,
    stop: threading.Event | None,
    now: datetime,
) -> None:
    """Apply steps in order, and go on after a failure.

    Args:
        outcomes: filled with one outcome a step, also when interrupted.
        rules: evaluated again first; None if the plan has none.
        all_projects: whether the rules are about all projects of a server.
        stop: when set, no further step is begun.
        now: for the rules.
    """
    try:
        protections = None if rules is None else _protections(rules, clients, all_projects, now)
        for step in steps:
            if stop is not None and stop.is_set():
                break
            try:
                outcomes.append(_outcome(step, clients, protections))
            except BaseException:
                words = "interrupted; whether it was done shows when it is applied again"
                outcomes.append(Outcome(step, "failed", words))
                raise
    finally:
        outcomes += [Outcome(step, "not tried", "stopped before") for step in steps[len(outcomes) :]]


_Protections = Mapping[tuple[str, str, str], str]


def _protections(rules: Rules, clients: Clients, all_projects: bool, now: datetime) -> _Protections:
    """For each image on the servers what would protect it from the rules now; empty if nothing does."""
    found: dict[tuple[str, str, str], str] = {}
    for name, client in clients.by_server.items():
        try:
            frame = client.images.df(all_projects=all_projects, used_by=True)
        except LxdImageError as error:
            clients.lost[name] = error.message
            continue
        found |= {(name, step.project, step.fingerprint): step.protection for step in rules(frame, now)}
    return found


def _outcome(step: Step, clients: Clients, protections: _Protections | None) -> Outcome:
    for server in (step.server, step.source):
        if server in clients.lost:
            return Outcome(step, "not tried", clients.lost[server])
    try:
        if protections is not None and (protection := protections.get(step.key, "gone already")):
            raise _Skip(protection)
        return Outcome(step, "done", _ACTIONS[step.action](step, clients))
    except _Skip as skip:
        return Outcome(step, "skipped", str(skip))
    except ChangedMeanwhileError as error:
        return Outcome(step, "skipped", f"changed since the plan was made: {error.message}")
    except ServerUnreachableError as error:
        clients.lost[step.server] = f"the server was lost before: {error.message}"
        return Outcome(step, "failed", error.message)
    except LxdImageError as error:
        return Outcome(step, "failed", error.message)


def _unchanged(step: Step, client: Client, fields: set[str] | None = None) -> Image:
    """Read the image again; fields to compare are all by default.

    Raises:
        _Skip: it is gone or has changed.
    """
    try:
        image = client.images.get(step.fingerprint)
    except NotFoundError:
        raise _Skip("gone already") from None
    if image.fingerprint != step.fingerprint:
        raise _Skip("gone already; an alias has its name")
    state = current_state(image.record)
    compared = state.keys() & step.expects.keys() & (fields or state.keys())
    if changed := [name for name in state if name in compared and state[name] != step.expects[name]]:
        raise _Skip(f"changed since the plan was made: {', '.join(changed)}")
    return image


def _delete(step: Step, clients: Clients) -> str:
    image = _unchanged(step, clients.at(step.server, step.project))
    if "used_by" in step.expects and (users := image.used_by()):
        raise _Skip(f"used by {display.format_value(users[:5])}")
    try:
        image.delete(wait=True)
    except NotFoundError:
        raise _Skip("gone already") from None
    return "deleted"


def _set(step: Step, clients: Clients) -> str:
    fields = {name.partition(".")[0] for name in step.changes}
    image = _unchanged(step, clients.at(step.server, step.project), fields)
    properties = dict(image.record.properties)
    for name, (_, after) in step.changes.items():
        if not name.startswith("properties."):
            setattr(image, name, after)
        elif after is None:
            properties.pop(name.removeprefix("properties."), None)
        else:
            properties[name.removeprefix("properties.")] = after
    if "properties" in fields:
        image.properties = properties
    return str(image.update())


def _alias(step: Step, clients: Clients) -> str:
    images = clients.at(step.server, step.project).images
    ((name, (before, after)),) = step.changes.items()
    try:
        target: str | None = images.aliases.get(name).target
    except NotFoundError:
        target = None
    if target == after:
        raise _Skip("already so")
    if target != before:
        raise _Skip(f"changed since the plan was made: {name} points at {target[:12] if target else 'nothing'}")
    if not images.exists(after):
        raise _Skip("gone already")
    return f"{name}: {images.aliases.point(name, to=after)}"


def _copy(step: Step, clients: Clients) -> str:
    target = clients.at(step.server, step.project)
    if target.images.exists(step.fingerprint):
        raise _Skip("already there")
    try:
        image = clients.at(step.source, step.project).images.get(step.fingerprint)
    except NotFoundError:
        raise _Skip(f"gone from {step.source}") from None
    names = step.changes.get("aliases", ([], []))[1]
    taken = [name for name in names if target.images.exists(name, alias=True)]
    try:
        image.copy(target, aliases=[name for name in names if name not in taken])
    except ImageExistsError:
        raise _Skip("already there") from None
    return f"copied from {step.source}" + (f"; aliases taken meanwhile: {', '.join(taken)}" if taken else "")


def _publish(step: Step, clients: Clients) -> str:
    images = clients.at(step.server, step.project).images
    if step.alias and images.exists(step.alias, alias=True):
        raise _Skip(f"the alias {step.alias} was taken meanwhile")
    image = images.publish(
        step.changes["instance"][1],
        aliases=[step.alias] if step.alias else [],
        public=step.changes.get("public", (None, False))[1],
        properties=step.changes.get("properties", (None, None))[1],
    )
    return f"published as {image.fingerprint}"


_ACTIONS: Mapping[str, Callable[[Step, Clients], str]] = {
    "delete": _delete,
    "set": _set,
    "alias": _alias,
    "copy": _copy,
    "publish": _publish,
}
