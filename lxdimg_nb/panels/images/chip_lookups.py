"""Chips that others have to be asked about: what nobody uses, and what has a newer build in a catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client import connect
from lxdimg_nb.client.config.remotes import remotes
from lxdimg_nb.client.verbs.used_by import users_of_images
from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.panels.base.panel import text_of
from lxdimg_nb.panels.base.ui_text import why
from lxdimg_nb.panels.image.image_actions import ImageActions
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.panels.images.chips import CHIPS
from lxdimg_nb.panels.images.table import ImageTable
from lxdimg_nb.text import display, formats

if TYPE_CHECKING:
    from lxdimg_nb.client.http.transport import Transport

__all__ = ["ChipLookups"]

# Servers may name any number of catalogues; those that most images came from are asked.
MOST = 20


@dataclass(frozen=True, slots=True)
class _Answer:
    """The images that a chip is about, by key with the reason; or addresses that somebody has to agree to first."""

    found: dict[str, str]
    text: str
    problems: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()


@dataclass(slots=True)
class _Asking:
    """Where a chip's question is: `reading`, `consent`, `ready` or `failed`."""

    state: str = "reading"
    text: str = ""
    strangers: tuple[str, ...] = ()


@dataclass(slots=True)
class ChipLookups:
    """The questions of one browser, asked when their chip is chosen. Belongs to the panel's actor."""

    panel: ImageActions
    table: ImageTable
    show_list: Callable[[], object]
    _asking: dict[str, _Asking] = field(default_factory=dict)
    _agreed: set[str] = field(default_factory=set)

    @property
    def handlers(self) -> dict[str, Callable[[Mapping[str, Any]], object]]:
        """What views ask for."""
        return {"ask": lambda m: self._begin(text_of(m, "chip")), "agree": self._agree}

    def view(self) -> list[dict[str, str]]:
        """Where the questions are, for a browser."""
        return [{"name": n, "state": a.state, "text": a.text} for n, a in self._asking.items()]

    def chosen(self) -> None:
        """Other chips were chosen: ask what is new, and forget what is not wanted any more."""
        chips = self.table.chips
        self._asking = {name: asking for name, asking in self._asking.items() if name in chips}
        for name in chips:
            if not CHIPS[name].filter and name not in self._asking:
                self._begin(name)

    def again(self) -> None:
        """The list was read anew: ask anew."""
        self._asking.clear()
        self.chosen()

    def _begin(self, name: str) -> None:
        table, panel = self.table, self.panel
        if name not in table.chips or CHIPS[name].filter:
            return
        asking = self._asking[name] = _Asking()
        rows = list(table.rows.values())
        if name == "unused":
            asking.text = "Asking who uses what …"
            servers = {row.server: row for row in rows}
            transports = {server: panel.images_for(row).transport for server, row in servers.items()}
            job = lambda: _unused(rows, transports)  # noqa: E731
        else:
            asking.text = "Reading the catalogues that the images came from …"
            agreed = frozenset(self._agreed)
            job = lambda: _outdated(rows, agreed)  # noqa: E731
        panel.actor.aside(
            job,
            lambda answer: self._answered(name, asking, answer),
            lambda error: self._answered(name, asking, _Answer({}, "", (why(error),))),
        )
        self.show_list()

    def _agree(self, _: Mapping[str, Any]) -> None:
        for asking in self._asking.values():
            self._agreed.update(asking.strangers)
        self._begin("outdated")

    def _answered(self, name: str, asking: _Asking, answer: _Answer) -> None:
        if self._asking.get(name) is not asking:
            return
        asking.strangers, asking.text = answer.strangers, answer.text
        if answer.strangers:
            asking.state = "consent"
        elif answer.problems and not answer.text:
            asking.state, asking.text = "failed", " ".join(answer.problems)
        else:
            asking.state = "ready"
            self.table.answer(name, answer.found)
            for problem in answer.problems:
                self.panel.notice(problem)
        self.show_list()
        self.panel.show_detail()


def _unused(rows: Sequence[Row], transports: Mapping[str, Transport]) -> _Answer:
    """Images that no instance and no snapshot was made from, of the servers that tell."""
    found: dict[str, str] = {}
    problems: list[str] = []
    for server, transport in transports.items():
        try:
            users = users_of_images(transport)
        except LxdImageError as error:
            problems.append(f"{display.sanitize(server, 60)}: {why(error)}" if server else why(error))
            continue
        of_server = (row for row in rows if row.server == server)
        found |= {row.key: "unused" for row in of_server if row.record.fingerprint not in users}
    if problems and len(problems) == len(transports):
        return _Answer({}, "", tuple(problems))
    text = f"{formats.plural(len(found), 'image')} without an instance or snapshot, as of {_now()}."
    return _Answer(found, text, tuple(problems))


def _outdated(rows: Sequence[Row], agreed: Collection[str]) -> _Answer:
    """Images of which a catalogue that images came from has a newer build."""
    from lxdimg_nb.inventory.questions.newer_builds import find_newer

    sources = [source for row in rows if (source := row.record.update_source) and source.protocol == "simplestreams"]
    certificates = {source.server: source.certificate for source in sources if source.server}
    addresses = [address for address, _ in Counter(s.server for s in sources if s.server).most_common(MOST)]
    if not addresses:
        return _Answer({}, "No image here says that it came from a catalogue, so there is nothing to compare with.")
    known = {a.rstrip("/") for remote in remotes() if remote.protocol == "simplestreams" for a in remote.addresses}
    strangers = tuple(a for a in addresses if a.rstrip("/") not in known and a not in agreed)
    if strangers:
        names = ", ".join(display.sanitize(address, 120) for address in strangers)
        what = f"To compare, the kernel would read {names}: the server says that images came from there, but "
        what += "no remote of yours names it."
        return _Answer({}, what, (), strangers)
    records = [row.record for row in rows]
    found: dict[str, str] = {}
    problems: list[str] = []
    asked: list[str] = []
    for address in addresses:
        shown = display.sanitize(address, 120)
        try:
            with connect(f"simplestreams+{address}", server_cert=certificates[address] or None) as catalogue:
                builds = find_newer(records, catalogue.images.records(), address)
        except LxdImageError as error:
            problems.append(f"{shown}: {why(error)}")
            continue
        asked.append(shown)
        for row, build in zip(rows, builds, strict=True):
            if build is not None:
                found.setdefault(row.key, build.reason)
    if not asked:
        return _Answer({}, "", tuple(problems))
    count = formats.plural(len(found), "image")
    return _Answer(found, f"{count} with a newer build in {', '.join(asked)}, as of {_now()}.", tuple(problems))


def _now() -> str:
    return f"{datetime.now(UTC):%H:%M:%S} UTC"
