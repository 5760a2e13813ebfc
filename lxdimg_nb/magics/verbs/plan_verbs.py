"""The verbs of `%lxdimg plan`: changes to many images, written as YAML in a cell, reviewed, then applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from lxdimg_nb.client import Client
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.line.command import VerbGroup, argument, verb
from lxdimg_nb.magics.line.options import ALL_PROJECTS, YES
from lxdimg_nb.magics.line.types import FRAME, WordType, field_value, moment
from lxdimg_nb.magics.line.words import Word, quoted
from lxdimg_nb.magics.line.yaml_body import load, mapping, names, text
from lxdimg_nb.magics.session.messages import echo, suggest
from lxdimg_nb.magics.session.prompts import confirm
from lxdimg_nb.magics.session.session import Invocation

if TYPE_CHECKING:
    from lxdimg_nb.inventory.plans.plan import Plan

Reader = Callable[[Any, str], Any]

_START = """\
prune:
  filter: cached=no
  keep_last: 2
  unused_for: 90d
"""


def _boolean(value: Any, what: str) -> bool:
    return bool(field_value("public", text(value, what)))


def _number(value: Any, what: str) -> int:
    found = text(value, what)
    if not found.isdigit():
        raise InvalidRequestError(f"{what} takes a number, not {found!r}")
    return int(found)


def _properties(value: Any, what: str) -> dict[str, str | None]:
    return {key: text(one, f"{what}.{key}") or None for key, one in mapping(value, what).items()}


def _instances(value: Any, what: str) -> Any:
    return {k: text(v, what) for k, v in value.items()} if isinstance(value, dict) else names(value, what)


def _rules(value: Any, what: str) -> list[Any]:
    from lxdimg_nb.inventory.plans.rules import Rule

    if not isinstance(value, list):
        raise InvalidRequestError(f"{what} takes a list of conditions, each with a dash")
    return [Rule(**_read(mapping(rule, what), _RULE, "a rule")) for rule in value]


_CONDITIONS: Mapping[str, Reader] = {
    "filter": text,
    "keep_last": _number,
    "per": names,
    "unused_for": text,
    "older_than": text,
    "expired": _boolean,
}
_RULE: Mapping[str, Reader] = {**_CONDITIONS, "name": text}
KINDS: Mapping[str, Mapping[str, Reader]] = {
    "prune": {**_CONDITIONS, "rules": _rules, "keep": names, "pinned": text, "grace": text},
    "set": {
        "filter": text,
        "public": _boolean,
        "auto_update": _boolean,
        "properties": _properties,
        "expires_at": lambda value, what: moment(text(value, what)),
        "profiles": names,
    },
    "alias": {"name": text, "to": text},
    "copy": {"to": names, "filter": text, "source": text, "copy_aliases": _boolean},
    "publish": {"instances": _instances, "public": _boolean, "properties": _properties},
}
"""What each kind of plan takes; the names are those of `lxdimg_nb.plan`."""


def _read(found: Mapping[str, Any], readers: Mapping[str, Reader], what: str) -> dict[str, Any]:
    for name in found:
        if name not in readers:
            raise InvalidRequestError(f"{what} has no {name!r}; {suggest(name, readers)}")
    return {name: readers[name](value, name) for name, value in found.items()}


@verb("plan", takes_body=True)
@argument("frame", "$FRAME", FRAME, required=False)
@ALL_PROJECTS
def make_plan(invocation: Invocation, frame: Word | None, all_projects: bool) -> Plan | None:
    """Plan changes to many images, in YAML: prune, set, alias, copy, publish.

    %lxdimg plan makes a cell to start from. Nothing is changed before %lxdimg plan apply $plan.
    """
    if invocation.body is None:
        words = [f"${frame.variable}"] if frame is not None else []
        words += ["--all-projects"] if all_projects else []
        words += ["--project", quoted(invocation.project)] if invocation.project else []
        invocation.session.shell.set_next_input(f"{' '.join(['%%lxdimg plan', *words])}\n{_START}")
        return None
    kind, first, options = _from_yaml(invocation.body)
    if frame is not None:
        images = frame.value
    else:
        images = invocation.client().images.df(all_projects=all_projects, used_by=True)
    from lxdimg_nb.inventory import plan

    made: Plan = getattr(plan, kind)(images, *first, **options)
    return made


def _from_yaml(body: str) -> tuple[str, list[Any], dict[str, Any]]:
    """The kind of plan in a cell, its positional and its other arguments."""
    found = load(body)
    if len(found) != 1:
        raise InvalidRequestError(f"a plan is one of {', '.join(KINDS)}, with its conditions below")
    ((kind, conditions),) = found.items()
    if kind not in KINDS:
        raise InvalidRequestError(f"no plan {kind!r}; {suggest(kind, KINDS)}")
    options = _read(mapping(conditions, kind), KINDS[kind], kind)
    required = {"alias": ("name", "to"), "copy": ("to",), "publish": ("instances",)}.get(kind, ())
    missing = [name for name in required if name not in options]
    if missing:
        raise InvalidRequestError(f"{kind} needs {' and '.join(missing)}")
    return kind, [options.pop(name) for name in ("name", "instances") if name in required], options


def _plan_in(word: Word, ctx: click.Context) -> Plan:
    from lxdimg_nb.inventory.plans.plan import Plan

    if not isinstance(word.value, Plan):
        raise InvalidRequestError(f"{word.text[:60]!r} is not a plan; keep one with %%lxdimg plan -o NAME")
    return word.value


@verb("apply")
@argument("plan", "$PLAN", WordType(_plan_in))
@YES
def apply_plan(invocation: Invocation, plan: Plan, yes: bool) -> Any:
    """Apply a plan, after asking; each image is read again first."""
    from lxdimg_nb.inventory.plans.consequences import consequences

    if not plan:
        echo(plan.summary)
        return None
    lines = [
        f"{step.action}  {step.alias or step.fingerprint[:12]}  {step.words}  {step.reason}" for step in plan.actions
    ]
    clients = _clients(invocation, plan)
    by_name = clients if isinstance(clients, dict) else dict.fromkeys(plan.servers, clients)
    confirm(f"{plan.summary}. Apply it?", [*consequences(plan.actions, by_name), *lines], yes=yes)
    receipts = plan.apply(clients, confirm=True)
    echo(receipts.summary)
    return receipts


def _clients(invocation: Invocation, plan: Plan) -> Client | dict[str, Client]:
    if len(plan.servers) == 1:
        return invocation.session.client_for("", None if plan.project == "*" else plan.project)
    # The servers of a fleet have the names of their remotes.
    return {name: invocation.session.client_for(name) for name in plan.servers}


PLAN_GROUP = VerbGroup("plan", (apply_plan,), default=make_plan)
