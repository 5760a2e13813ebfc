"""`df.lxdimg`: an administrator's questions to a frame of images. The answers are frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filter
from lxdimg_nb.inventory.fleet.drift import drift
from lxdimg_nb.inventory.frame import conditions, schema
from lxdimg_nb.inventory.frame.column_kinds import time_array
from lxdimg_nb.inventory.frame.frame import InventoryFrame, as_inventory
from lxdimg_nb.inventory.frame.inventory_table import inventory_table
from lxdimg_nb.inventory.frame.rows import Rows, level, list_of, needed
from lxdimg_nb.inventory.questions import end_of_life, server_pruning
from lxdimg_nb.inventory.questions.newer_builds import newer_builds
from lxdimg_nb.text import display, formats
from lxdimg_nb.text.styled_frame import StyledFrame, is_missing

if TYPE_CHECKING:
    from lxdimg_nb.client import Client
    from lxdimg_nb.inventory.plots import Plots
    from lxdimg_nb.inventory.questions.explanation import Explanation

__all__ = ["Questions"]


@pd.api.extensions.register_dataframe_accessor("lxdimg")
class Questions:
    """Questions to a frame of images. Ages are counted from when the frame was taken, unless `now` is given."""

    def __init__(self, frame: pd.DataFrame) -> None:
        if not schema.is_inventory(frame):
            raise AttributeError(
                "df.lxdimg is for frames of images, with their fingerprints as index: df.set_index('fingerprint')"
            )
        self._frame = frame

    def _pick(self, mask: pd.Series[bool], **columns: Sequence[Any]) -> InventoryFrame:
        picked = self._frame[mask.to_numpy(dtype=bool)].copy()
        for name, values in columns.items():
            picked[name] = pd.array(
                [v for v, chosen in zip(values, mask, strict=True) if chosen],
                dtype="string" if name in ("reason", "kind", "group") else None,
            )
        return as_inventory(picked)

    def where(self, chosen: str | Iterable[str] | Filter, *, now: datetime | None = None) -> InventoryFrame:
        """The images that a filter lets through: `df.lxdimg.where("os=ubuntu age>90d")`.

        Args:
            chosen: terms in a text or one by one, or a `Filter`.
            now: ages are counted from here; by default from when the frame was taken.

        Raises:
            InvalidRequestError: a field nobody knows.
        """
        return self._pick(conditions.matching(self._frame, chosen, conditions.as_of(self._frame, now)))

    def stale(self, after: str | timedelta = "90D", *, now: datetime | None = None) -> InventoryFrame:
        """Images that nobody has used for so long, nor brought in since.

        Args:
            after: how long, as in `90D`, or a timedelta.
            now: ages are counted from here; by default from when the frame was taken.
        """
        moment = conditions.as_of(self._frame, now)
        since = conditions.idle_since(self._frame)
        mask = since <= pd.Timestamp(moment - conditions.duration(after))
        used = needed(self._frame, "last_used_at").notna()
        words = [
            f"{'last used' if u else 'never used, uploaded'} {formats.age(_moment(s), moment)}"
            for s, u in zip(since, used, strict=True)
        ]
        return self._pick(mask, reason=words)

    def unused(self) -> InventoryFrame:
        """Images that no instance and no snapshot was made from; needs `df(used_by=True)`.

        Raises:
            InvalidRequestError: the frame does not know who uses what.
        """
        return self._pick(conditions.unused(self._frame))

    def exposed(self) -> InventoryFrame:
        """Public images: whoever reaches the server may fetch them without a certificate."""
        own = needed(self._frame, "source.server").isna()
        words = [
            "public and made here: it may hold secrets" if o else "public, a copy of another server's" for o in own
        ]
        return self._pick(needed(self._frame, "public"), reason=words)

    def expired(self, *, now: datetime | None = None) -> InventoryFrame:
        """Images past their date of expiry. They are still there: no server removes an image for it."""
        moment = conditions.as_of(self._frame, now)
        words = [
            f"expired {formats.age(_moment(t), moment)}; no server removes it for that"
            for t in needed(self._frame, "expires_at")
        ]
        return self._pick(conditions.expired(self._frame, moment), reason=words)

    def duplicates(self, *, per: Sequence[str] = conditions.PRODUCT) -> InventoryFrame:
        """Images that are there more than once.

        Args:
            per: what makes two images builds of one product.

        Returns:
            With `kind`: `copies` (one image in several projects or servers; within a server it is stored
            once) or `builds` (several builds of one product in one project), `group`, and `reason`.
        """
        parts = []
        fingerprints = pd.Series(level(self._frame, "fingerprint") or [], index=self._frame.index, dtype=object)
        for kind, group in (("copies", fingerprints), ("builds", conditions.product(self._frame, per))):
            counts = group.map(group.value_counts())
            mask = counts.fillna(0) > 1
            noun = "place" if kind == "copies" else "build"
            words = [f"{formats.plural(int(c), noun)}" if m else "" for c, m in zip(counts, mask, strict=True)]
            part = self._pick(mask, kind=[kind] * len(mask), group=[str(g) for g in group], reason=words)
            parts.append(part.sort_values("group", kind="stable"))
        return as_inventory(pd.concat(parts) if len(parts[1]) else parts[0])

    def outdated(self, catalogue: Any) -> InventoryFrame:
        """Images of which a catalogue has a newer build.

        Args:
            catalogue: a frame of images, or anything with `images.df()`: a simplestreams remote.

        Returns:
            With `newer` (the fingerprint there), `newer_created_at` and `reason`. An image is compared by the
            alias it came from, where it came from that catalogue, else by its product and serial.
        """
        found = newer_builds(self._frame, catalogue)
        mask = pd.Series([build is not None for build in found], index=self._frame.index, dtype=bool)
        picked = self._pick(mask, reason=["" if b is None else b.reason for b in found])
        builds = [b for b in found if b is not None]
        picked["newer"] = pd.array([b.fingerprint for b in builds], dtype="string")
        picked["newer_created_at"] = time_array(b.created_at for b in builds)
        return picked

    def eol(self, *, on: datetime | None = None) -> InventoryFrame:
        """All images with `support` (supported, extended, ended, rolling, unknown) and `supported_until`.

        From a table in the package, made on the day in `attrs["eol_table"]`; what it lacks is `unknown`.
        """
        day = conditions.as_of(self._frame, on).date()
        rows = Rows(self._frame)
        known = [
            end_of_life.support(
                row.properties.get("os"),
                [v for key in ("release", "version") if (v := row.properties.get(key))],
                day,
            )
            for row in rows
        ]
        answer = as_inventory(self._frame.copy())
        kinds = ["supported", "extended", "ended", "rolling", "unknown"]
        answer["support"] = pd.Categorical([k.status for k in known], categories=kinds)
        answer["supported_until"] = time_array(k.until for k in known)
        answer.attrs["eol_table"] = end_of_life.AS_OF.isoformat()
        return answer

    def will_be_pruned(
        self,
        settings: Client | Mapping[str, Client] | Mapping[str, str] | int | None = None,
        *,
        within: str | timedelta | None = None,
        now: datetime | None = None,
    ) -> InventoryFrame:
        """Images that the server will remove by itself, with `pruned_at` and the `reason`.

        Args:
            settings: a client, of which the settings of each project are asked; of a fleet's frame clients by
                server; or settings, or the days of `images.remote_cache_expiry`, that hold for all.
            within: only those that go in so long.
            now: ages are counted from here; by default from when the frame was taken.

        Raises:
            InvalidRequestError: one client for the images of several servers, or something else.
        """
        moment = conditions.as_of(self._frame, now)
        rows = Rows(self._frame)
        places = dict.fromkeys((row.server, row.project) for row in rows)
        known = server_pruning.settings_by_place(list(places), settings)
        fates = [server_pruning.pruning(row, known[row.server, row.project]) for row in rows]
        last = None if within is None else moment + conditions.duration(within)
        goes = [fate.when is not None and (last is None or fate.when <= last) for fate in fates]
        mask = pd.Series(goes, index=self._frame.index, dtype=bool)
        picked = self._pick(mask, reason=[fate.reason for fate in fates])
        times = [fate.when for fate, chosen in zip(fates, goes, strict=True) if chosen]
        picked["pruned_at"] = time_array(times)
        return as_inventory(picked.sort_values("pruned_at", kind="stable"))

    def summary(self, by: str | Sequence[str] = "os") -> StyledFrame:
        """Counts and bytes by any column or property.

        Returns:
            A row a group: `images`; `bytes`, an image counted once a server however many projects hold it;
            `shared`, those bytes that another group counts, too; how many are `public`, `auto_update` and
            `aliased`; `newest`, the last upload. The true total of bytes is in `attrs["bytes"]`.
        """
        names = [conditions.column(self._frame, name) for name in ([by] if isinstance(by, str) else by)]
        if not names:
            raise InvalidRequestError("a summary is by something: summary('os'), summary(['os', 'release'])")
        frame = pd.DataFrame(
            {
                "group": list(zip(*(_words(conditions.values(self._frame, n)) for n in names), strict=True)),
                "image": list(
                    zip(conditions.holders(self._frame), level(self._frame, "fingerprint") or [], strict=True)
                ),
                "size": needed(self._frame, "size").to_numpy(),
                "public": needed(self._frame, "public").to_numpy(),
                "auto_update": needed(self._frame, "auto_update").to_numpy(),
                "aliased": needed(self._frame, "alias").notna().to_numpy(),
                "uploaded_at": needed(self._frame, "uploaded_at").array,
            }
        )
        once = frame.drop_duplicates(["group", "image"])
        several = once["image"].map(once["image"].value_counts()) > 1
        groups = frame.groupby("group", sort=True)
        answer = StyledFrame(
            {
                "images": groups.size(),
                "bytes": once.groupby("group")["size"].sum(),
                "shared": once["size"].where(several, 0).groupby(once["group"]).sum(),
                "public": groups["public"].sum(),
                "auto_update": groups["auto_update"].sum(),
                "aliased": groups["aliased"].sum(),
                "newest": groups["uploaded_at"].max(),
            }
        ).astype({"images": "int64", "bytes": "int64", "shared": "int64"})
        shown = [name.removeprefix(schema.PROPERTY) for name in names]
        tuples = list(answer.index) or [("",) * len(shown)]
        index = pd.MultiIndex.from_tuples(tuples, names=shown)[: len(answer)]
        answer.index = index.get_level_values(0) if len(shown) == 1 else index
        answer = answer.sort_values("bytes", ascending=False, kind="stable")
        answer.attrs = {**self._frame.attrs, "bytes": int(once.drop_duplicates("image")["size"].sum())}
        return answer

    def drift(self, *, by: str = "alias") -> StyledFrame:
        """Where the servers of a fleet, or the projects of a server, differ.

        Args:
            by: `alias` (which alias points where) or `image` (which image is where).

        Returns:
            A row each, a column a place, and `state`: same, differs or missing.
        """
        return drift(self._frame, by=by)

    def explain(
        self, name: str, *, settings: Mapping[str, str] | int | None = None, now: datetime | None = None
    ) -> Explanation:
        """One image of the frame in words: why it is here, when it goes, what deleting it would do.

        Args:
            name: fingerprint, its beginning, or an alias.
            settings: of its project, or the days of `images.remote_cache_expiry`; None for a server's own ten.
            now: ages are counted from here; by default from when the frame was taken.

        Raises:
            NotFoundError: the frame has no such image, or several.
        """
        from lxdimg_nb.inventory.questions.explanation import explain_row

        return explain_row(self._frame, name, settings=settings, now=conditions.as_of(self._frame, now))

    def show(self, *, title: str = "", now: datetime | None = None) -> display.Table:
        """The frame in words, as text and HTML. The frame is shown so by itself; this is for other places.

        Args:
            title: above the table, instead of the usual one.
            now: ages are counted from here; by default from when the frame was taken.
        """
        return inventory_table(self._frame, now=now, title=title)

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """CSV that a spreadsheet may open: no cell of it is a formula, and no control character is left.

        Args:
            path: the file to write; None returns the text.
        """
        flat = self._frame.reset_index()
        safe = pd.DataFrame({display.csv_cell(n): [_csv(v) for v in flat[n]] for n in flat.columns})
        text = safe.to_csv(None if path is None else Path(path), index=False)
        return text if path is None else None

    @property
    def plot(self) -> Plots:
        """Pictures of the frame."""
        from lxdimg_nb.inventory.plots import Plots

        return Plots(self._frame)


def _moment(value: Any) -> datetime | None:
    return None if pd.isna(value) else value.to_pydatetime(warn=False)


def _words(values: Sequence[Any]) -> list[str]:
    return ["" if is_missing(v) else str(v) if (words := list_of(v)) is None else ", ".join(words) for v in values]


def _csv(value: Any) -> Any:
    if is_missing(value):
        return ""
    if (words := list_of(value)) is not None:
        return display.csv_cell(", ".join(words))
    if isinstance(value, dict):
        return display.csv_cell(repr(value))
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return display.csv_cell(value) if isinstance(value, str) else value
