"""`plan`: changes to many images, written as YAML in a cell, looked at, then applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.grammar import Argument, Call, Flag, Verb, nearest
from lxdimg_nb.magics.line.words import Word, quoted
from lxdimg_nb.magics.line.yaml_body import load, mapping, names, text
from lxdimg_nb.magics.session.prompts import confirm
from lxdimg_nb.magics.session.session import say
from lxdimg_nb.magics.verbs.change_verbs import YES, moment, value_of

if TYPE_CHECKING:
    from lxdimg_nb.client import Client
    from lxdimg_nb.inventory.plans.plan import Plan
    from lxdimg_nb.magics.session.session import Session

__all__ = ["VERBS"]

Reader = Callable[[Any, str], Any]

_START = """\
prune:
  filter: cached=no
  keep_last: 2
  unused_for: 90d
"""


def _flag(value: Any, what: str) -> bool:
    return bool(value_of("public", text(value, what)))


def _whole(value: Any, what: str) -> int:
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
    "keep_last": _whole,
    "per": names,
    "unused_for": text,
    "older_than": text,
    "expired": _flag,
}
_RULE: Mapping[str, Reader] = {**_CONDITIONS, "name": text}
KINDS: Mapping[str, Mapping[str, Reader]] = {
    "prune": {**_CONDITIONS, "rules": _rules, "keep": names, "pinned": text, "grace": text},
    "set": {
        "filter": text,
        "public": _flag,
        "auto_update": _flag,
        "properties": _properties,
        "expires_at": lambda value, what: moment(text(value, what)),
        "profiles": names,
    },
    "alias": {"name": text, "to": text},
    "copy": {"to": names, "filter": text, "source": text, "copy_aliases": _flag},
    "publish": {"instances": _instances, "public": _flag, "properties": _properties},
}
"""What each kind of plan takes; the words are those of `lxdimg_nb.plan`."""


def _read(found: Mapping[str, Any], readers: Mapping[str, Reader], what: str) -> dict[str, Any]:
    for name in found:
        if name not in readers:
            raise InvalidRequestError(
                f"{what} has no {name!r}; {nearest(name, list(readers))}it takes {', '.join(readers)}"
            )
    return {name: readers[name](value, name) for name, value in found.items()}


def _plan(session: Session, call: Call) -> Plan | None:
    from lxdimg_nb.inventory import plan

    if call.body is None:
        frame = f" ${_given(call).variable}" if call.some("$FRAME") else ""
        where = " --all-projects" if call.has("--all-projects") else ""
        where += f" --project {quoted(call.project)}" if call.project else ""
        session.shell.set_next_input(f"%%lxdimg plan{frame}{where}\n{_START}")
        return None
    found = load(call.body)
    if len(found) != 1:
        raise InvalidRequestError(f"a plan is one of {', '.join(KINDS)}, with what it takes below it")
    ((kind, conditions),) = found.items()
    if kind not in KINDS:
        raise InvalidRequestError(f"no plan {kind!r}; {nearest(kind, list(KINDS))}known: {', '.join(KINDS)}")
    options = _read(mapping(conditions, kind), KINDS[kind], kind)
    required = {"alias": ("name", "to"), "copy": ("to",), "publish": ("instances",)}.get(kind, ())
    missing = [name for name in required if name not in options]
    if missing:
        raise InvalidRequestError(f"{kind} needs {' and '.join(missing)}")
    frame = _frame(session, call)
    first = [options.pop(name) for name in ("name", "instances") if name in required]
    made: Plan = getattr(plan, kind)(frame, *first, **options)
    return made


def _frame(session: Session, call: Call) -> Any:
    words = call.some("$FRAME")
    if not words:
        client = session.at("", call.project)
        return client.images.df(all_projects=call.has("--all-projects"), used_by=True)
    return _given(call).value


def _given(call: Call) -> Word:
    word = call.one("$FRAME")
    if not hasattr(word.value, "columns"):
        raise InvalidRequestError(
            f"{word.text[:60]!r} is no frame of images; keep one with df = %lxdimg list, then write %lxdimg plan $df"
        )
    return word


def _apply(session: Session, call: Call) -> Any:
    from lxdimg_nb.inventory.plans.plan import Plan

    word = call.one("$PLAN")
    made = word.value
    if not isinstance(made, Plan):
        raise InvalidRequestError(f"{word.text[:60]!r} is no plan; keep one: %%lxdimg plan -o NAME")
    if not made:
        say(made.summary)
        return None
    lines = [
        f"{step.action}  {step.alias or step.fingerprint[:12]}  {step.words}  {step.reason}" for step in made.actions
    ]
    confirm(f"{made.summary}. Do it?", lines, yes=call.has("--yes"))
    receipts = made.apply(_clients(session, made), confirm=True)
    say(receipts.summary)
    return receipts


def _clients(session: Session, made: Plan) -> Client | dict[str, Client]:
    if len(made.places) == 1:
        return session.at("", None if made.project == "*" else made.project)
    # The servers of a fleet go by the names of their remotes.
    return {name: session.at(name) for name in made.places}


VERBS = (
    Verb(
        "plan",
        "changes to many images from YAML: prune, set, alias, copy, publish",
        _plan,
        (Argument("$FRAME", "variable", optional=True),),
        (Flag("--all-projects", "of every project"),),
        body=True,
        more="%lxdimg plan makes a cell to begin with. Nothing is changed before %lxdimg plan apply $plan.",
    ),
    Verb(
        "plan apply",
        "do what a plan says, after asking; each image is looked at again first",
        _apply,
        (Argument("$PLAN", "variable"),),
        (YES,),
    ),
)
