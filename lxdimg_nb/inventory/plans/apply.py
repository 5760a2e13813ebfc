"""Doing what a plan says: each image is read again first, and left alone when it is not as it was.

The rules of a pruning plan are asked again, on a fresh listing, before anything is deleted; then each image
is compared once more, with its aliases and users, right before it goes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import (
    ChangedMeanwhileError,
    ImageExistsError,
    InvalidRequestError,
    LxdImageError,
    NotFoundError,
    ServerUnreachableError,
)
from lxdimg_nb.inventory.fleet.fleet import Fleet
from lxdimg_nb.inventory.plans.plan import KEEP, WATCHED, Plan, Step, expectation
from lxdimg_nb.inventory.plans.receipts import Receipt, Receipts
from lxdimg_nb.text import display

if TYPE_CHECKING:
    from lxdimg_nb.client import Client, Image

__all__ = ["apply"]


class _Skip(Exception):  # noqa: N818 (no error: a step that is no longer right)
    """This step is left out, and why."""


class _Clients:
    """The clients of a plan's servers, in the projects its steps name."""

    def __init__(self, plan: Plan, given: Client | Mapping[str, Client], lost: Collection[str] = ()) -> None:
        needed = _needed(plan) - {*lost}
        if isinstance(given, Mapping):
            missing = sorted(needed - set(given))
            if missing:
                raise InvalidRequestError(f"the plan changes {', '.join(missing)}, too; give a client for it")
            self._clients = {name: given[name] for name in needed}
        else:
            if not hasattr(given, "images"):
                raise InvalidRequestError(
                    f"apply takes the server's client, clients by name, or a fleet, not a {type(given).__name__}"
                )
            if len(needed) > 1:
                raise InvalidRequestError(
                    f"the plan is about {len(needed)} servers; give a client for each: {{name: client}}"
                )
            self._clients = dict.fromkeys(needed, given)
        for name, client in self._clients.items():
            place = plan.places.get(name)
            if place is None or not place.is_served_by(client):
                made_for = place.url if place is not None and place.url else "a frame that names no server"
                raise InvalidRequestError(
                    f"the plan was made for {display.sanitize(made_for)}, this client talks to {client.url}; "
                    "nothing was changed"
                )
            if plan.project != "*" and client.images.project != plan.project:
                raise InvalidRequestError(
                    f"the plan was made for the project {plan.project}, this client works in {client.images.project}; "
                    "nothing was changed"
                )
        self._projects: dict[tuple[str, str], Client] = {}

    def at(self, server: str, project: str) -> Client:
        client = self._clients[server]
        if client.images.project == project:
            return client
        if (server, project) not in self._projects:
            self._projects[server, project] = client.in_project(project)
        return self._projects[server, project]

    @property
    def servers(self) -> dict[str, Client]:
        return dict(self._clients)


def _needed(plan: Plan) -> set[str]:
    return {step.server for step in plan.actions} | {step.source for step in plan.actions if step.source}


def apply(
    plan: Plan,
    given: Client | Mapping[str, Client] | Fleet,
    *,
    confirm: bool = False,
    stop: threading.Event | None = None,
    now: datetime | None = None,
) -> Receipts:
    """See `Plan.apply`."""
    if isinstance(given, Fleet):
        with given.connected(_needed(plan)) as (found, lost):
            return _applied(plan, _Clients(plan, found, lost), lost, confirm, stop, now)
    return _applied(plan, _Clients(plan, given), {}, confirm, stop, now)


def _applied(
    plan: Plan,
    clients: _Clients,
    lost: dict[str, str],
    confirm: bool,
    stop: threading.Event | None,
    now: datetime | None,
) -> Receipts:
    steps = plan.actions
    if not steps:
        plan.receipts = Receipts.of([])
        return plan.receipts
    if not confirm and not _asked(plan):
        plan.receipts = Receipts.of([_receipt(step, "not tried", "not confirmed") for step in steps])
        return plan.receipts
    receipts: list[Receipt] = []
    begun: Step | None = None
    try:
        verdicts = _judged_again(plan, clients, now or datetime.now(UTC), lost)
        for step in steps:
            if stop is not None and stop.is_set():
                break
            begun = step
            receipts.append(_tried(step, clients, verdicts, lost))
            begun = None
    finally:
        if begun is not None:
            receipts.append(
                _receipt(begun, "failed", "interrupted; whether it was done shows when it is applied again")
            )
        # Also after an interrupt, so that what was done is known.
        rest = [_receipt(step, "not tried", "stopped before") for step in steps[len(receipts) :]]
        plan.receipts = Receipts.of([*receipts, *rest])
    return plan.receipts


def _asked(plan: Plan) -> bool:
    question = f"{plan.summary}. Do it? Type yes: "
    try:
        answer = input(question)
    except (EOFError, OSError, NotImplementedError) as exc:
        raise InvalidRequestError(
            "nobody is there to ask; look at the plan, then call apply(client, confirm=True)"
        ) from exc
    return answer.strip().lower() in ("yes", "y")


_Verdicts = Mapping[tuple[str, str, str], str] | None


def _judged_again(plan: Plan, clients: _Clients, now: datetime, lost: dict[str, str]) -> _Verdicts:
    """By image why a pruning plan made now would keep it, empty where it would not; None for other plans."""
    if plan.again is None:
        return None
    verdicts: dict[tuple[str, str, str], str] = {}
    for name, client in clients.servers.items():
        try:
            frame = client.images.df(all_projects=plan.project == "*", used_by=True)
        except LxdImageError as error:
            lost[name] = str(error)
            continue
        for step in plan.again(frame, now):
            reason = "" if step.action != KEEP else step.protection
            verdicts[name, step.project, step.fingerprint] = reason
    return verdicts


def _tried(step: Step, clients: _Clients, verdicts: _Verdicts, lost: dict[str, str]) -> Receipt:
    for server in (step.server, step.source):
        if server in lost:
            return _receipt(step, "not tried", lost[server])
    try:
        if verdicts is not None:
            protection = verdicts.get(step.key, "gone already")
            if protection:
                raise _Skip(protection)
        return _receipt(step, "done", _ACTIONS[step.action](step, clients))
    except _Skip as skip:
        return _receipt(step, "skipped", str(skip))
    except ChangedMeanwhileError as error:
        return _receipt(step, "skipped", f"changed since the plan was made: {error}")
    except ServerUnreachableError as error:
        lost[step.server] = f"the server was lost before: {error}"
        return _receipt(step, "failed", str(error))
    except LxdImageError as error:
        return _receipt(step, "failed", str(error))


def _receipt(step: Step, state: str, detail: str) -> Receipt:
    return Receipt(
        step.server,
        step.project,
        step.fingerprint,
        step.alias,
        step.action,
        state,
        display.sanitize(detail, 500),
        step.size,
    )


def _fresh(step: Step, client: Client, watched: tuple[str, ...]) -> Image:
    """The image as it is, when what the plan saw of it still holds.

    Raises:
        _Skip: it is gone or has changed.
    """
    try:
        image = client.images.get(step.fingerprint)
    except NotFoundError:
        raise _Skip("gone already") from None
    if image.fingerprint != step.fingerprint:
        raise _Skip("gone already; an alias is called like it")
    seen = expectation(image.record)
    changed = [name for name in watched if name in step.expects and seen[name] != step.expects[name]]
    if changed:
        raise _Skip(f"changed since the plan was made: {', '.join(changed)}")
    return image


def _delete(step: Step, clients: _Clients) -> str:
    image = _fresh(step, clients.at(step.server, step.project), WATCHED)
    users = image.used_by() if "used_by" in step.expects else []
    if users:
        raise _Skip(f"used by {display.format_value(users[:5])}")
    try:
        image.delete(wait=True)
    except NotFoundError:
        raise _Skip("gone already") from None
    return "deleted"


def _set(step: Step, clients: _Clients) -> str:
    fields = tuple(dict.fromkeys(name.split(".", 1)[0] for name in step.changes))
    image = _fresh(step, clients.at(step.server, step.project), fields)
    properties = dict(image.record.properties)
    for name, (_, after) in step.changes.items():
        if name.startswith("properties."):
            key = name.removeprefix("properties.")
            properties.pop(key, None)
            if after is not None:
                properties[key] = after
        else:
            setattr(image, name, after)
    if "properties" in fields:
        image.properties = properties
    return str(image.update())


def _alias(step: Step, clients: _Clients) -> str:
    client = clients.at(step.server, step.project)
    ((name, (before, after)),) = step.changes.items()
    try:
        target: str | None = client.images.aliases.get(name).target
    except NotFoundError:
        target = None
    if target == after:
        raise _Skip("already so")
    if target != before:
        raise _Skip(f"changed since the plan was made: {name} points at {target[:12] if target else 'nothing'}")
    if not client.images.exists(after):
        raise _Skip("gone already")
    return f"{name}: {client.images.aliases.point(name, to=after)}"


def _copy(step: Step, clients: _Clients) -> str:
    target = clients.at(step.server, step.project)
    if target.images.exists(step.fingerprint):
        raise _Skip("already there")
    try:
        image = clients.at(step.source, step.project).images.get(step.fingerprint)
    except NotFoundError:
        raise _Skip(f"gone from {step.source}") from None
    wanted = step.changes.get("aliases", ([], []))[1]
    free = [name for name in wanted if not target.images.exists(name, alias=True)]
    try:
        image.copy(target, aliases=free)
    except ImageExistsError:
        raise _Skip("already there") from None
    left = [name for name in wanted if name not in free]
    return f"copied from {step.source}" + (f"; aliases taken meanwhile: {', '.join(left)}" if left else "")


def _publish(step: Step, clients: _Clients) -> str:
    client = clients.at(step.server, step.project)
    if step.alias and client.images.exists(step.alias, alias=True):
        raise _Skip(f"the alias {step.alias} was taken meanwhile")
    image = client.images.publish(
        step.changes["instance"][1],
        aliases=[step.alias] if step.alias else [],
        public=step.changes.get("public", (None, False))[1],
        properties=step.changes.get("properties", (None, None))[1],
    )
    return f"published as {image.fingerprint}"


_ACTIONS: Mapping[str, Callable[[Step, _Clients], Any]] = {
    "delete": _delete,
    "set": _set,
    "alias": _alias,
    "copy": _copy,
    "publish": _publish,
}
