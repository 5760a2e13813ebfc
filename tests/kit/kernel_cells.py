"""What users do in the cells of a notebook, for tests that make something go wrong meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.kit import factory
from tests.kit.random_actions import ACTIONS, OTHER, World, images, new
from tests.kit.servers import RunningServer

__all__ = ["CELLS", "CellAction", "begin"]


@dataclass(frozen=True)
class CellAction:
    """A cell that does something.

    Attributes:
        cell: its code, with the names that `begin` sets; it may be run again when it was done already.
        done: whether it is, by the images of the server.
        undo: as it was before.
        before: a cell that is run before it, undisturbed.
        trace: whether anything of it is to be seen on the server; None is as `done`, where that is not always so.
        message: of the front end of the panel that the cell opens: what a click on it says.
    """

    cell: str
    done: Callable[[RunningServer, World], bool]
    undo: Callable[[RunningServer, World], None] = lambda _, __: None
    before: str = ""
    trace: Callable[[RunningServer, World], bool] | None = None
    message: dict[str, object] | None = None

    def seen(self, server: RunningServer, world: World) -> bool:
        """Whether anything of it is to be seen on the server."""
        return self.done is not _nothing and (self.trace or self.done)(server, world)

    @property
    def magic(self) -> bool:
        """Whether it is a line or a cell of `%lxdimg`."""
        return self.cell.startswith("%")


def begin(world: World, url: str) -> str:
    """The first cell of a notebook."""
    return f"""
%load_ext lxdimg_nb
%lxdimg connect {url}
from pathlib import Path
import lxdimg_nb
import lxdimg_nb.client.files.progress as telling
from lxdimg_nb import History
from lxdimg_nb.panels.base.transfers import transfers
telling.BAR_DELAY = 0.0
FOLDER, KEPT = Path({str(world.folder)!r}), {world.kept!r}
OUT, NEW, META, ROOT = FOLDER / "out", FOLDER / "new.tar", FOLDER / "meta.tar", FOLDER / "root.tar"
client = lxdimg_nb.connect({url!r})
images, history = client.images, History(FOLDER / "history")
"""


def _aliases(server: RunningServer) -> dict[str, str]:
    return {alias["name"]: one["fingerprint"] for one in images(server).values() for alias in one["aliases"]}


def _fresh(server: RunningServer, world: World) -> bool:
    return _aliases(server).get("fresh") == factory.fingerprint(*new(world))


def _forget_history(_: RunningServer, world: World) -> None:
    ACTIONS["history"].undo(_, world)


_uploaded, _split, _updated, _copied = (ACTIONS[name] for name in ("upload", "split upload", "update", "copy"))
_alias, _panel, _nothing = ACTIONS["alias"], ACTIONS["panel"], ACTIONS["listing"].done

CELLS: dict[str, CellAction] = {
    "%import": CellAction("%lxdimg import $NEW --reuse --alias fresh", _fresh, _uploaded.undo, trace=_uploaded.done),
    "%import split": CellAction("%lxdimg import $META $ROOT --reuse", _split.done, _split.undo),
    "%export": CellAction("%lxdimg export web $OUT", _nothing),
    "%export -b": CellAction(
        "%lxdimg transfers $number", _nothing, before="%lxdimg export web $OUT -b\nnumber = [*transfers][-1].number"
    ),
    "%copy": CellAction(f"%lxdimg copy web --target-project {OTHER} --reuse", _copied.done, _copied.undo),
    "%copy relay": CellAction(
        f"%lxdimg copy web --target-project {OTHER} --mode relay --reuse", _copied.done, _copied.undo
    ),
    "%set-property": CellAction("%lxdimg set-property web note after", _updated.done, _updated.undo),
    "%%edit": CellAction(
        "%%lxdimg edit web --yes\nproperties:\n  os: Debian\n  note: after", _updated.done, _updated.undo
    ),
    "%alias": CellAction("%lxdimg alias point extra web", _alias.done, _alias.undo),
    "%plan": CellAction(
        "%lxdimg plan apply $todo --yes",
        _updated.done,
        _updated.undo,
        before="%%lxdimg plan -o todo\nset:\n  properties:\n    note: after",
    ),
    "%list": CellAction("%lxdimg list", _nothing),
    "upload": CellAction("images.create(NEW, wait=True, exist_ok=True, progress=True)", _uploaded.done, _uploaded.undo),
    "export": CellAction("images.get('web').export(OUT, progress=True)", _nothing),
    "read": CellAction("assert images.get('web').export() == (FOLDER / 'kept.tar').read_bytes()", _nothing),
    "copy": CellAction(
        f"web, other = images.get('web'), client.in_project({OTHER!r})\n"
        "if not other.images.exists(KEPT):\n    web.copy(other, progress=True)",
        _copied.done,
        _copied.undo,
    ),
    "update": CellAction(
        "web = images.get('web')\nweb.properties['note'] = 'after'\nweb.update()", _updated.done, _updated.undo
    ),
    "plan": CellAction(
        "receipts = lxdimg_nb.plan.set(images.df(), properties={'note': 'after'}).apply(client, confirm=True)\n"
        "assert set(receipts['state']) <= {'done'}, receipts",
        _updated.done,
        _updated.undo,
    ),
    "history": CellAction("history.record(images.df())\nassert len(history.at()) >= 1", _nothing, _forget_history),
    "live": CellAction(
        "with images.live() as live:\n"
        "    web = images.get('web')\n"
        "    web.properties['note'] = 'after'\n"
        "    web.update()\n"
        "    assert live.wait_until(lambda all: any(one.properties.get('note') == 'after' for one in all), timeout=60)",
        _updated.done,
        _updated.undo,
    ),
    "panel's switch": CellAction(
        "panel = images.panel()\ndisplay(panel)",
        _panel.done,
        _panel.undo,
        message={"type": "set", "field": "public", "value": True, "confirmed": True},
    ),
    "panel's export": CellAction("panel = images.panel()\ndisplay(panel)", _nothing, message={"type": "export"}),
}
