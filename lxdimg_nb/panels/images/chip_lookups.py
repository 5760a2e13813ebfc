"""Answers the chips that a filter cannot: unused images (asks servers), outdated images (reads catalogues)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lxdimg_nb.client import connect
from lxdimg_nb.client.config.remotes import remotes
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.read.used_by import users_of_images
from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.panels.base.message_fields import str_field
from lxdimg_nb.panels.base.panel import Handler
from lxdimg_nb.panels.base.ui_text import error_text
from lxdimg_nb.panels.image.image_actions import ImageActions
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.panels.images.chips import CHIPS
from lxdimg_nb.panels.images.table import ImageTable
from lxdimg_nb.text import display, formats

__all__ = ["ChipLookups"]

# A server may name any number of catalogues; those that most images came from are read.
MAX_CATALOGUES = 20


@dataclass(frozen=True, slots=True)
class _Lookup:
    """A lookup or its answer.

    Attributes:
        state: `reading`, `consent`, `ready` or `failed`.
        found: the keys of the images that the chip is about, each with the reason.
        problems: what could not be read although there is an answer.
        addresses: catalogues that are read only if the user consents.
    """

    state: str
    text: str
    found: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[str] = ()
    addresses: Sequence[str] = ()


class ChipLookups:
    """The lookups of one list; each begins when its chip is chosen. It is used by the panel's actor only."""

    def __init__(self, panel: ImageActions, table: ImageTable, show_list: Callable[[], object]) -> None:
        self._panel = panel
        self._table = table
        self._show_list = show_list
        self._lookups: dict[str, _Lookup] = {}
        self._agreed: set[str] = set()
        self.handlers: dict[str, Handler] = {
            "lookup": lambda m: self._begin(str_field(m, "chip")),
            "agree": self._agree,
        }

    def view(self) -> list[dict[str, str]]:
        """Return the lookups as a browser shows them."""
        return [{"name": name, "state": lookup.state, "text": lookup.text} for name, lookup in self._lookups.items()]

    def update(self) -> None:
        """Begin the lookups of chips that are new, and forget those of chips that are no longer chosen."""
        chips = self._table.chips
        self._lookups = {name: lookup for name, lookup in self._lookups.items() if name in chips}
        for name in chips:
            if name not in self._lookups:
                self._begin(name)

    def repeat(self) -> None:
        """Begin all lookups again, because the list was read again."""
        self._lookups.clear()
        self.update()

    def _begin(self, name: str) -> None:
        if name not in self._table.chips or CHIPS[name].filter:
            return
        rows, agreed, panel = list(self._table.rows.values()), frozenset(self._agreed), self._panel
        projects = {row.server: panel.images_for(row).server_project for row in {r.server: r for r in rows}.values()}
        if name == "unused":
            lookup = _Lookup("reading", "Asking who uses what …")
        else:
            lookup = _Lookup("reading", "Reading the catalogues that the images came from …")
        self._lookups[name] = lookup
        panel.actor.in_background(
            lambda: _unused(rows, projects) if name == "unused" else _outdated(rows, agreed),
            lambda answer: self._answered(name, lookup, answer),
            lambda error: self._answered(name, lookup, _Lookup("failed", error_text(error))),
        )
        self._show_list()

    def _agree(self, _: Mapping[str, Any]) -> None:
        for lookup in self._lookups.values():
            self._agreed.update(lookup.addresses)
        self._begin("outdated")

    def _answered(self, name: str, lookup: _Lookup, answer: _Lookup) -> None:
        if self._lookups.get(name) is not lookup:
            return
        self._lookups[name] = answer
        if answer.state == "ready":
            self._table.answer(name, dict(answer.found))
            for problem in answer.problems:
                self._panel.notice(problem)
        self._show_list()
        self._panel.show_detail()


def _unused(rows: Sequence[Row], projects: Mapping[str, Project]) -> _Lookup:
    """Find images that no instance and no snapshot was made from, on the servers that answer."""
    found: dict[str, str] = {}
    problems: list[str] = []
    for server, project in projects.items():
        try:
            users = users_of_images(project)
        except LxdImageError as error:
            problems.append(f"{display.sanitize(server, 60)}: {error_text(error)}" if server else error_text(error))
            continue
        of_server = (row for row in rows if row.server == server)
        found |= {row.key: "unused" for row in of_server if row.record.fingerprint not in users}
    if problems and len(problems) == len(projects):
        return _Lookup("failed", " ".join(problems))
    text = f"{formats.plural(len(found), 'image')} without an instance or snapshot, as of {_time()}."
    return _Lookup("ready", text, found, problems)


def _outdated(rows: Sequence[Row], agreed: Collection[str]) -> _Lookup:
    """Find images that have a newer build in a catalogue that images came from."""
    sources = [source for row in rows if (source := row.record.update_source) and source.protocol == "simplestreams"]
    certificates = {source.server: source.certificate for source in sources if source.server}
    addresses = [address for address, _ in Counter(s.server for s in sources if s.server).most_common(MAX_CATALOGUES)]
    if not addresses:
        text = "No image here says that it came from a catalogue, so there is nothing to compare with."
        return _Lookup("ready", text)
    known = {a.rstrip("/") for remote in remotes() if remote.protocol == "simplestreams" for a in remote.addresses}
    unknown = [a for a in addresses if a.rstrip("/") not in known and a not in agreed]
    if unknown:
        names = ", ".join(display.sanitize(address, 120) for address in unknown)
        text = (
            f"To compare, the kernel would read {names}: the server says that images came from there, but "
            "no remote of yours names it."
        )
        return _Lookup("consent", text, addresses=unknown)
    # Brings pandas, which no panel needs until then.
    from lxdimg_nb.inventory.questions.newer_builds import find_newer

    records = [row.record for row in rows]
    found: dict[str, str] = {}
    problems: list[str] = []
    names_read: list[str] = []
    for address in addresses:
        name = display.sanitize(address, 120)
        try:
            with connect(f"simplestreams+{address}", server_cert=certificates[address] or None) as catalogue:
                builds = find_newer(records, catalogue.images.records(), address)
        except LxdImageError as error:
            problems.append(f"{name}: {error_text(error)}")
            continue
        names_read.append(name)
        for row, build in zip(rows, builds, strict=True):
            if build is not None:
                found.setdefault(row.key, build.reason)
    if not names_read:
        return _Lookup("failed", " ".join(problems))
    count = formats.plural(len(found), "image")
    text = f"{count} with a newer build in {', '.join(names_read)}, as of {_time()}."
    return _Lookup("ready", text, found, problems)


def _time() -> str:
    return f"{datetime.now(UTC):%H:%M:%S} UTC"
