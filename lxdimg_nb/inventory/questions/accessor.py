"""`df.lxdimg`: an administrator's questions about a frame of images. The answers are frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import compress, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filter
from lxdimg_nb.inventory.fleet.drift import drift
from lxdimg_nb.inventory.frame import conditions, schema
from lxdimg_nb.inventory.frame.column_builders import time_array
from lxdimg_nb.inventory.frame.frame import InventoryFrame, as_inventory
from lxdimg_nb.inventory.frame.inventory_table import inventory_table
from lxdimg_nb.inventory.frame.rows import Rows, level, list_of, needed
from lxdimg_nb.inventory.frame.summary import summary
from lxdimg_nb.inventory.plots import PlotAccessor
from lxdimg_nb.inventory.questions import end_of_life, server_pruning
from lxdimg_nb.inventory.questions.explanation import Explanation, explain_row
from lxdimg_nb.inventory.questions.newer_builds import newer_builds
from lxdimg_nb.text import display, formats
from lxdimg_nb.text.styled_frame import StyledFrame, is_missing
from lxdimg_nb.text.tables import Table
from lxdimg_nb.values.validation import expanded_path

if TYPE_CHECKING:
    from lxdimg_nb.client import Client

__all__ = ["InventoryAccessor"]


@pd.api.extensions.register_dataframe_accessor("lxdimg")
class InventoryAccessor:
    """Questions about a frame of images. Ages are counted from when the frame was taken, unless `now` is given."""

    def __init__(self, frame: pd.DataFrame) -> None:
        if not schema.is_inventory(frame):
            raise AttributeError(
                "df.lxdimg is for frames of images, with their fingerprints as index: df.set_index('fingerprint')"
            )
        self._frame = frame

    def _select(self, mask: pd.Series[bool], **texts: Sequence[str]) -> InventoryFrame:
        """The rows of a mask, with columns of text added."""
        selected = as_inventory(self._frame[mask.to_numpy(dtype=bool)])
        return selected.assign(**{name: pd.array([*compress(t, mask)], dtype="string") for name, t in texts.items()})

    def where(self, filter: str | Iterable[str] | Filter, *, now: datetime | None = None) -> InventoryFrame:
        """The images that match a filter: `df.lxdimg.where("os=ubuntu age>90d")`.

        Args:
            filter: terms in one text or one by one, or a `Filter`.
            now: ages are counted from here; by default from when the frame was taken.

        Raises:
            InvalidRequestError: an unknown field.
        """
        return self._select(conditions.matching(self._frame, filter, conditions.as_of(self._frame, now)))

    def stale(self, after: str | timedelta = "90D", *, now: datetime | None = None) -> InventoryFrame:
        """Images that were neither used nor uploaded for so long.

        Args:
            after: how long, as in `90D`, or a timedelta.
            now: ages are counted from here; by default from when the frame was taken.
        """
        moments = conditions.moments(self._frame, conditions.as_of(self._frame, now))
        since = conditions.idle_since(self._frame)
        used = needed(self._frame, "last_used_at").notna()
        words = [
            f"{'last used' if u else 'never used, uploaded'} {formats.age(_datetime(s), at)}"
            for s, u, at in zip(since, used, moments, strict=True)
        ]
        return self._select(since <= moments - conditions.checked_duration(after), reason=words)

    def unused(self) -> InventoryFrame:
        """Images that no instance and no snapshot was made from; needs `df(used_by=True)`.

        Raises:
            InvalidRequestError: the frame does not know who uses what.
        """
        return self._select(conditions.unused(self._frame))

    def exposed(self) -> InventoryFrame:
        """Public images: anyone who reaches the server can fetch them without a certificate."""
        own = needed(self._frame, "source.server").isna()
        words = [
            "public and made here: it may hold secrets" if o else "public, a copy of another server's" for o in own
        ]
        return self._select(needed(self._frame, "public"), reason=words)

    def expired(self, *, now: datetime | None = None) -> InventoryFrame:
        """Images past their date of expiry. They are still there: no server removes an image for it."""
        moment = conditions.as_of(self._frame, now)
        words = [
            f"expired {formats.age(_datetime(t), at)}; no server removes it for that"
            for t, at in zip(needed(self._frame, "expires_at"), conditions.moments(self._frame, moment), strict=True)
        ]
        return self._select(conditions.expired(self._frame, moment), reason=words)

    def duplicates(self, *, per: Sequence[str] = conditions.PRODUCT) -> InventoryFrame:
        """Images that are there more than once.

        Args:
            per: columns or properties that make two images builds of one product.

        Returns:
            With `kind`: `copies` (one image in several projects or servers; a server stores it once, and members
            of one cluster are one server) or
            `builds` (several builds of one product in one project), `group`, and `reason`.
        """
        parts = []
        fingerprints = pd.Series(level(self._frame, "fingerprint") or [], index=self._frame.index, dtype=object)
        stored = zip(conditions.stored_images(self._frame), level(self._frame, "project") or repeat(""), strict=False)
        once = ~pd.Series([*stored], dtype=object).duplicated().to_numpy()
        for kind, noun, group in (
            ("copies", "place", fingerprints),
            ("builds", "build", conditions.product(self._frame, per)),
        ):
            counts = group.map(group[once].value_counts()).fillna(0).astype(int)
            words = [formats.plural(count, noun) for count in counts]
            part = self._select(counts > 1, kind=[kind] * len(group), group=[str(g) for g in group], reason=words)
            parts.append(part.sort_values("group", kind="stable"))
        return pd.concat(parts) if len(parts[1]) else parts[0]

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
        builds = [b for b in found if b is not None]
        return self._select(mask, reason=["" if b is None else b.reason for b in found]).assign(
            newer=pd.array([b.fingerprint for b in builds], dtype="string"),
            newer_created_at=time_array(b.created_at for b in builds),
        )

    def eol(self, *, on: datetime | None = None) -> InventoryFrame:
        """All images with `support` (supported, extended, ended, rolling, unknown) and `supported_until`.

        From a table in the package, made on the day in `attrs["eol_table"]`; what it lacks is `unknown`.
        """
        day = conditions.as_of(self._frame, on).date()
        known = [
            end_of_life.support(
                row.properties.get("os"),
                [v for key in ("release", "version") if (v := row.properties.get(key))],
                day,
            )
            for row in Rows(self._frame)
        ]
        answer = as_inventory(self._frame).assign(
            support=pd.Categorical([k.status for k in known], categories=list(end_of_life.STATES)),
            supported_until=time_array(k.until for k in known),
        )
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
            settings: a client, whose server is asked for the settings of each project; for the frame of a fleet
                clients by server; or settings, or the days of `images.remote_cache_expiry`, for all images.
            within: only those removed within that time.
            now: ages are counted from here; by default from when the frame was taken.

        Raises:
            InvalidRequestError: one client for the images of several servers, or something else.
        """
        moments = conditions.times_of_servers(self._frame, conditions.as_of(self._frame, now))
        rows = Rows(self._frame)
        projects = dict.fromkeys((row.server, row.project) for row in rows)
        known = server_pruning.settings_by_project(list(projects), settings)
        prunings = [server_pruning.pruning(row, known[row.server, row.project]) for row in rows]
        times = pd.Series(time_array(p.when for p in prunings), index=self._frame.index)
        mask = times.notna() if within is None else times <= moments + conditions.checked_duration(within)
        selected = self._select(mask, reason=[p.reason for p in prunings])
        return selected.assign(pruned_at=times[mask].array).sort_values("pruned_at", kind="stable")

    def summary(self, by: str | Sequence[str] = "os") -> StyledFrame:
        """Counts and bytes by any column or property.

        Returns:
            A row a group: `images`; `bytes`, an image counted once a server however many projects hold it;
            `shared`, those bytes that another group counts, too; how many are `public`, `auto_update` and
            `aliased`; `newest`, the last upload. The true total of bytes is in `attrs["bytes"]`.
        """
        return summary(self._frame, by)

    def drift(self, *, by: str = "alias") -> StyledFrame:
        """Where the servers of a fleet, or the projects of a server, differ.

        Args:
            by: `alias` (which alias points where) or `image` (which image is where).

        Returns:
            A row for each, a column for each server or project, and `state`: same, differs or missing.
        """
        return drift(self._frame, by=by)

    def explain(
        self, name: str, *, settings: Mapping[str, str] | int | None = None, now: datetime | None = None
    ) -> Explanation:
        """Explain one image: why it is here, when it will be removed, what deleting it would do.

        Args:
            name: fingerprint, its beginning, or an alias.
            settings: of its project, or the days of `images.remote_cache_expiry`; None for the default of ten.
            now: ages are counted from here; by default from when the frame was taken.

        Raises:
            NotFoundError: the frame has no such image, or several.
        """
        return explain_row(self._frame, name, settings=settings, now=conditions.as_of(self._frame, now))

    def show(self, *, title: str = "", now: datetime | None = None) -> Table:
        """The frame as a table of text or HTML, as it is displayed in a notebook.

        Args:
            title: above the table, instead of the usual one.
            now: ages are counted from here; by default the clock.
        """
        return inventory_table(self._frame, now=now, title=title)

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """CSV that a spreadsheet may open: no cell is a formula, and control characters are replaced.

        Args:
            path: the file to write; None returns the text.

        Raises:
            InvalidRequestError: it cannot be written, or not whole.
        """
        flat = self._frame.reset_index()
        safe = pd.DataFrame({display.csv_cell(n): [_csv_value(v) for v in flat[n]] for n in flat.columns})
        text: str = safe.to_csv(index=False)
        if path is None:
            return text
        file = expanded_path(path)
        try:
            file.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise InvalidRequestError(f"cannot write all of {file}: {error.strerror}") from error
        return None

    @property
    def plot(self) -> PlotAccessor:
        """Plots of the frame."""
        return PlotAccessor(self._frame)


def _datetime(value: Any) -> datetime | None:
    return None if pd.isna(value) else value.to_pydatetime(warn=False)


def _csv_value(value: Any) -> Any:
    if is_missing(value):
        return ""
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if (texts := list_of(value)) is not None:
        value = ", ".join(texts)
    return display.csv_cell(value) if isinstance(value, str | dict) else value
