"""Every verb of the client, the panels and the magics, for tests of a server with one odd reply."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import lxdimg_nb
from lxdimg_nb import Client, Fleet, History
from lxdimg_nb.errors import LxdImageError
from tests.kit import factory
from tests.kit.frontend import FrontEnd
from tests.kit.odd_replies import NEW, PROPERTIES, PYTHON, Scene, Verb, kept
from tests.kit.waiting import until

__all__ = ["VERBS", "lost"]

# Of what is kept, what these may change, and to what.
NOTES = [PROPERTIES | {"note": "after"}, {"os": "Debian"}]
NOTING = ("update", "plan set", "panel", "%lxdimg set-property web note after", "%lxdimg unset-property web note")


def lost(one: Scene, before: dict[str, Any], verb: str) -> list[str]:
    """What is not as it was, and not as the verb says."""
    now = kept(one)
    changed = {name for name in before if before[name] != now[name]}
    if verb in NOTING and now["properties"] in NOTES:
        changed.discard("properties")
    if verb == "expiry" and now["expires_at"].startswith("2031"):
        changed.discard("expires_at")
    if verb == "point" and now["alias"] and now["alias"]["target"] in (one.kept, NEW):
        changed.discard("alias")
    return sorted(changed)


# What a verb says that it did is looked at on the server itself.


def _listing(one: Scene, client: Client) -> None:
    assert {image.fingerprint for image in client.images.all()} <= {one.kept}


def _frame(_: Scene, client: Client) -> None:
    repr(client.images.df(used_by=True, all_projects=True))


def _get(one: Scene, client: Client) -> None:
    assert client.images.get("web").fingerprint == one.kept
    assert client.images.get(one.kept[:20]).fingerprint == one.kept


def _create(one: Scene, client: Client) -> None:
    made = client.images.create(one.folder / "new.tar.gz", wait=True, aliases="new", properties={"a": "b"})
    assert made.fingerprint == NEW
    assert one.server.get(f"images/{NEW}")["properties"]["a"] == "b"


def _update(one: Scene, client: Client) -> None:
    image = client.images.get(one.kept)
    image.properties["note"] = "after"
    image.update()
    assert one.server.get(f"images/{one.kept}")["properties"] == PROPERTIES | {"note": "after"}


def _expiry(one: Scene, client: Client) -> None:
    image = client.images.get(one.kept)
    image.expires_at = "2031-01-31T00:00:00Z"
    image.update()
    assert one.server.get(f"images/{one.kept}")["expires_at"].startswith("2031-01-31")


def _export(one: Scene, client: Client) -> None:
    made = client.images.get(one.kept).export(one.folder / "out", resume=False)
    assert factory.fingerprint(*made.paths) == one.kept


def _inside(one: Scene, client: Client) -> None:
    image = client.images.get(one.kept)
    repr(image.contents())
    assert image.export() == factory.small(1)
    repr(image)


def _copy(one: Scene, client: Client) -> None:
    other = client.in_project("other")
    assert client.images.get(one.kept).copy(other, mode="relay", aliases="copied").fingerprint == one.kept
    assert one.server.get("images/aliases/copied?project=other")["target"] == one.kept


def _pull(one: Scene, client: Client) -> None:
    other = client.in_project("other")
    assert client.images.get(one.kept).copy(other, copy_aliases=True).fingerprint == one.kept


def _delete(one: Scene, client: Client) -> None:
    one.server.add_image(factory.small(2))
    client.images.get(NEW).delete()
    assert NEW not in str(one.server.get("images"))


def _aliases(one: Scene, client: Client) -> None:
    aliases = client.images.aliases
    assert all(alias.name for alias in aliases.all())
    aliases.create("extra", one.kept)
    aliases.rename("extra", "more")
    aliases.update("more", description="other")
    aliases.delete("more")


def _point(one: Scene, client: Client) -> None:
    client.images.create(one.folder / "new.tar.gz", wait=True)
    client.images.aliases.point("web", to=NEW)
    # A description that is one is believed, whatever it says.
    description = one.server.get("images/aliases/web")["description"]
    assert description == "words" or f'"description": {json.dumps(description)}' in "".join(one.spoiled)
    client.images.aliases.point("web", to=one.kept)


def _live(one: Scene, client: Client) -> None:
    with client.images.live() as live:
        added = one.server.add_image(factory.small(2))
        assert live.wait_until(lambda records: added in {r.fingerprint for r in records}, timeout=60)
        assert until(lambda: live.state == "live")
        repr(live.df())


def _events(one: Scene, client: Client) -> None:
    with client.events(["lifecycle"]) as events:
        one.server.raw("PATCH", f"/1.0/images/{one.kept}", json={"public": False})
        assert next(events).action == "image-updated"


def _operations(_: Scene, client: Client) -> None:
    repr(client.operations.all())
    repr(client.projects())
    repr(client.info)


def _history(one: Scene, client: Client) -> None:
    history = History(one.folder / "history")
    for _ in range(2):
        history.record(client.images.df())
    repr(history.diff())


def _set(one: Scene, client: Client) -> None:
    plan = lxdimg_nb.plan.set(client.images.df(), properties={"note": "after"})
    receipts = plan.apply(client, confirm=True)
    if (receipts["state"] == "done").all() and len(receipts):
        assert one.server.get(f"images/{one.kept}")["properties"] == PROPERTIES | {"note": "after"}


def _prune(one: Scene, client: Client) -> None:
    """The image is in use, so nothing that is read may lead to its deletion."""
    plan = lxdimg_nb.plan.prune(client.images.df(used_by=True), older_than="0s", grace="0s", keep=("used",))
    plan.apply(client, confirm=True)


def _fleet(one: Scene, client: Client) -> None:
    fleet = Fleet({"odd": client, "right": one.server.url})
    repr(fleet.df(used_by=True))
    repr(fleet.drift())
    if error := fleet.status().loc["odd", "error"]:
        raise LxdImageError(str(error))


def _publish(one: Scene, client: Client) -> None:
    made = client.images.publish("c1", aliases="golden", compression="none")
    assert one.server.get("images/aliases/golden")["target"] == made.fingerprint


def _secret(one: Scene, client: Client) -> None:
    image = client.images.get("web")
    assert image.secret()
    # What is a list of instances is believed, whatever is in it.
    assert all(isinstance(name, str) for name in image.used_by())


def _check(one: Scene, client: Client) -> None:
    repr(client.images.check(one.folder / "new.tar.gz"))


def _explain(_: Scene, client: Client) -> None:
    from lxdimg_nb.inventory.questions.explanation import explain

    repr(explain(client.images.get("web"), client))


def _panel(one: Scene, client: Client) -> None:
    panel, key = client.images.panel(), f"default/{one.kept}"
    view = FrontEnd(panel)
    try:
        with _steps_of(panel.actor.name) as failed:
            view.say("hello")
            assert view.sees(lambda p: p["list"]["state"] in ("ready", "failed"))
            view.say("open", key=key)
            view.settle()
            if view.parts["detail"]:
                view.say("edit", key=key, field="properties", name="note", before="before", value="after")
                view.say("explain", key=key)
                assert view.sees(lambda p: p["explained"]["state"] != "reading")
            assert until(lambda: not panel.editor.busy)
            view.settle()
        assert failed == []
        assert not [word for word in PYTHON if word in json.dumps(view.parts)], view.parts
    finally:
        panel.close()
        assert panel.actor.join()


@contextlib.contextmanager
def _steps_of(actor: str) -> Iterator[list[str]]:
    """The steps of an actor that ended in an error which nobody expected."""
    failed: list[str] = []
    logger = logging.getLogger("lxdimg_nb.panels.base.actor")

    def note(record: logging.LogRecord) -> bool:
        if actor in str(record.args):
            failed.append(f"{record.getMessage()}: {record.exc_info and record.exc_info[1]!r}")
        return True

    logger.addFilter(note)
    try:
        yield failed
    finally:
        logger.removeFilter(note)


def _magic(line: str) -> Verb:
    def verb(one: Scene, client: Client) -> None:
        from lxdimg_nb.magics.shell_command import run_verb

        name, *words = line.format(folder=one.folder).split()
        repr(run_verb(name, words, client.url))

    return verb


MAGICS = (
    *("list", "info web", "show web", "alias list", "alias create extra web", "status", "used-by web"),
    *("set-property web note after", "export web {folder}/out --restart", "import {folder}/new.tar.gz --alias new"),
    *("copy web --target-project other --copy-aliases", "unset-property web note", "publish c1 --alias golden"),
)
VERBS: dict[str, Verb] = {
    "list": _listing,
    "df": _frame,
    "get": _get,
    "create": _create,
    "update": _update,
    "expiry": _expiry,
    "export": _export,
    "contents": _inside,
    "copy": _copy,
    "pull": _pull,
    "delete": _delete,
    "aliases": _aliases,
    "point": _point,
    "live": _live,
    "events": _events,
    "operations": _operations,
    "history": _history,
    "plan set": _set,
    "plan prune": _prune,
    "fleet": _fleet,
    "publish": _publish,
    "secret": _secret,
    "check": _check,
    "explain": _explain,
    "panel": _panel,
} | {f"%lxdimg {line}": _magic(line) for line in MAGICS}
