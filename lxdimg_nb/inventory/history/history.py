"""Inventories over time: a folder of Parquet files, one a record, partitioned by day.

    folder/_history.json                       which format this is
    folder/day=2026-06-01/20260601T…-….parquet

Nothing that was written is ever changed: a record is a new file that gets its name when it is whole and on
disk. pandas, DuckDB and Dask read the folder as it stands.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError, NotFoundError
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.column_kinds import time_array
from lxdimg_nb.inventory.frame.frame import InventoryFrame, as_inventory
from lxdimg_nb.inventory.frame.rows import level
from lxdimg_nb.inventory.history.difference import Changes, diff
from lxdimg_nb.inventory.history.parquet import from_table, parquet, to_table
from lxdimg_nb.inventory.history.record import (
    Moment,
    Part,
    Record,
    covered,
    end_of,
    joined,
    known_before,
    replaced,
    spoken_for,
)
from lxdimg_nb.text.styled_frame import StyledFrame

__all__ = ["History", "Record"]

FORMAT = 1
MARKER = "_history.json"
_DRAFT = re.compile(rf"^\.{re.escape(MARKER)}\.[0-9a-f]{{8}}\.part$")
_FILE = re.compile(r"^(\d{8}T\d{12}Z)-[0-9a-f]{8}\.parquet$")
_STAMP = "%Y%m%dT%H%M%S%fZ"
_NOTE = b"lxdimg"


class History:
    """Inventories over time, in a folder.

    Args:
        folder: made by the first `record()` when there is none.

    Raises:
        InvalidRequestError: a folder of something else, or a history of another version.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        marker = self.folder / MARKER
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidRequestError(f"{self.folder} is a file; a history is a folder")
        if marker.exists():
            _check_format(marker)
        elif self.folder.exists() and not all(_DRAFT.match(entry.name) for entry in self.folder.iterdir()):
            raise InvalidRequestError(f"{self.folder} holds something else than a history; give an empty folder")
        self._read: dict[Path, Record] = {}

    def __repr__(self) -> str:
        return f"<History {self.folder}: {len(self._files())} records>"

    def record(self, frame: pd.DataFrame) -> Record:
        """Keep an inventory. Certificates, `extra`, and properties that look secret are left out.

        Args:
            frame: whole, as `images.df()` or a fleet makes it. Of a fleet a server that gave only some of its
                images is left out, as one that did not answer is.

        Raises:
            InvalidRequestError: the frame is only a part, or does not say when and where it was taken.
            OSError: the folder cannot be written; what was there is untouched.
        """
        if not schema.is_inventory(frame) or "taken" not in frame.attrs:
            raise InvalidRequestError("a history keeps frames of images.df() or of a fleet, as they are")
        taken = datetime.fromisoformat(frame.attrs["taken"]).astimezone(UTC)
        if frame.attrs.get("filter") or frame.attrs.get("images", len(frame)) != len(frame):
            raise InvalidRequestError(
                "this frame is a part of an inventory; a history keeps whole ones, or removals would be guessed"
            )
        scopes = spoken_for(frame)
        if partial := set(frame.attrs.get("partial", ())):
            kept = [str(server) not in partial for server in level(frame, "server") or ()]
            frame = frame[np.array(kept, dtype=bool)]
        note = {
            "format": FORMAT,
            "taken": taken.isoformat(),
            "scopes": scopes,
            "product": frame.attrs.get("product", ""),
        }
        table = to_table(frame, pd.Timestamp(taken), {_NOTE: json.dumps(note).encode()})
        self._prepare()
        day = self.folder / f"day={taken.date().isoformat()}"
        if not day.exists():
            day.mkdir(exist_ok=True)
            _sync(self.folder)
        path = day / f"{taken.strftime(_STAMP)}-{secrets.token_hex(4)}.parquet"
        # A name that begins with a dot is invisible to readers of Parquet folders.
        draft = day / f".{path.name}.part"
        try:
            with draft.open("xb") as file:
                parquet()[1].write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        finally:
            draft.unlink(missing_ok=True)
        _sync(day)
        made = Record(taken, path, tuple(scopes), len(frame))
        self._read[path] = made
        return made

    def records(self) -> list[Record]:
        """What is kept, oldest first."""
        return [self._open(path) for path in self._files()]

    def at(self, moment: Moment | None = None) -> InventoryFrame:
        """The inventory as last known at a moment, with the index `(server, project, fingerprint)`.

        Servers that were recorded apart are put together, each as in its last record until then.

        Args:
            moment: a time, or a date (its end); None is the latest.

        Raises:
            NotFoundError: nothing was recorded until then.
        """
        until = end_of(moment)
        records = [r for r in self.records() if until is None or r.taken <= until]
        if not records:
            raise NotFoundError(f"{self.folder} has no record{f' until {until.isoformat()}' if until else ''}")
        return self._combined(records)

    def _combined(self, records: list[Record]) -> InventoryFrame:
        """Each project of each server as in the last of these records that covers it."""
        parts: list[pd.DataFrame] = []
        seen: list[Record] = []
        for record in reversed(records):
            if all(any(later.covers(*scope) for later in seen) for scope in record.scopes):
                continue
            frame = self._load(record)
            if seen:
                frame = frame[~covered(frame, seen)]
            parts.append(frame)
            seen.append(record)
        whole = parts[0] if len(parts) == 1 else joined(parts)
        made = as_inventory(whole)
        servers = sorted({server for record in seen for server, _ in record.scopes})
        made.attrs = {
            "server": servers[0] if len(servers) == 1 else f"{len(servers)} servers",
            "project": "*",
            "taken": seen[0].taken.isoformat().replace("+00:00", "Z"),
            "product": "",
            "identity": "",
            "servers": {server: {} for server in servers},
            "unanswered": [],
        }
        return made

    def diff(self, a: Moment | None = None, b: Moment | None = None, *, ignore: Collection[str] = ()) -> Changes:
        """What changed between two moments.

        Args:
            a: the earlier one, a time or a record; None is the last record but one.
            b: the later one; None is the last record.
            ignore: columns whose changes do not count.

        Returns:
            As `lxdimg_nb.inventory.diff`. Servers that were first recorded later are not reported as added.

        Raises:
            NotFoundError: nothing was recorded until then.
        """
        records = self.records()
        if a is None:
            if len(records) < 2:
                raise NotFoundError(f"{self.folder} has {len(records)} records; a difference needs two")
            a = records[-2].taken
        before, after = self.at(a), self.at(b)
        start = end_of(a)
        known = [record for record in records if start is None or record.taken <= start]
        return diff(before, after[covered(after, known)], ignore=ignore)

    def timeline(self, name: str | None = None) -> pd.DataFrame:
        """How the inventory went, or one image or alias.

        Args:
            name: an alias or fingerprint (12 digits or more).

        Returns:
            Without a name a row a record: `images`, `bytes` (once a server and fingerprint), `public`, and how
            many were `added`, `removed`, `changed` since the records before of the same servers and projects.
            With a name the changes it took part in, with `taken`; at first its being there.
        """
        rows: list[dict[str, Any]] = []
        found: list[pd.DataFrame] = []
        parts: list[Part] = []
        for record in self.records():
            frame = self._load(record)
            known = covered(frame, [earlier for earlier, _ in parts])
            before = known_before(parts, record, frame)
            parts = [(record, frame), *(part for part in parts if not replaced(part[0], record))]
            if name is not None:
                new = frame[~known]
                found += [_about(name, record, *pair) for pair in ((new.iloc[:0], new), (before, frame[known]))]
                continue
            counts = diff(before, frame[known])["change"].value_counts().to_dict()
            once = ~frame.index.to_frame().duplicated(["server", "fingerprint"]).to_numpy()
            rows.append(
                {
                    "taken": record.taken,
                    "servers": len({server for server, _ in record.scopes}),
                    "images": len(frame),
                    "bytes": int(frame["size"].to_numpy()[once].sum()),
                    "public": int(frame["public"].sum()),
                    **{kind: int(counts.get(kind, 0)) for kind in ("added", "removed", "changed")},
                }
            )
        if name is not None:
            return StyledFrame(pd.concat(found, ignore_index=True) if found else {"taken": time_array([])})
        columns = ["taken", "servers", "images", "bytes", "public", "added", "removed", "changed"]
        made = StyledFrame(rows, columns=columns).astype(dict.fromkeys(columns[1:], "int64"))
        made["taken"] = time_array(row["taken"] for row in rows)
        return made.set_index("taken")

    def _files(self) -> list[Path]:
        files = [p for p in self.folder.glob("day=*/*.parquet") if _FILE.match(p.name)]
        return sorted(files, key=lambda path: path.name)

    def _open(self, path: Path) -> Record:
        if path not in self._read:
            pq = parquet()[1]
            try:
                meta = pq.read_metadata(path)
                note = json.loads(meta.metadata[_NOTE])
                scopes = tuple((str(s), str(p)) for s, p in note["scopes"])
                taken = datetime.fromisoformat(note["taken"])
            except (OSError, ValueError, KeyError, TypeError) as exc:
                raise InvalidRequestError(f"{path} is no record of a history: {exc}; move it away") from exc
            self._read[path] = Record(taken, path, scopes, meta.num_rows)
        return self._read[path]

    def _load(self, record: Record) -> InventoryFrame:
        frame = from_table(parquet()[1].ParquetFile(record.path).read())
        frame.attrs = {"taken": record.taken.isoformat(), "server": "", "project": "*", "unanswered": []}
        return frame

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        marker = self.folder / MARKER
        if not marker.exists():
            draft = self.folder / f".{MARKER}.{secrets.token_hex(4)}.part"
            with draft.open("x") as file:
                file.write(json.dumps({"format": FORMAT, "what": "lxdimg-nb inventory history"}) + "\n")
                file.flush()
                os.fsync(file.fileno())
            draft.rename(marker)
            _sync(self.folder)
        else:
            _check_format(marker)


def _check_format(marker: Path) -> None:
    try:
        found = json.loads(marker.read_text())["format"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InvalidRequestError(f"{marker} does not say which history this is; nothing was changed") from exc
    if found != FORMAT:
        raise InvalidRequestError(
            f"{marker.parent} is a history of format {found!r}, this package writes {FORMAT}; nothing was changed"
        )


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _about(name: str, record: Record, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The changes that an alias or image took part in."""
    image = len(name) >= 12 and name.lower()
    if not image or before.empty:
        before, after = (frame[_holding(frame, name, image)] for frame in (before, after))
    changes = diff(before, after)
    mask = changes["change"].astype(str).str.startswith("alias") & (changes["field"] == name)
    if image:
        mask |= changes["fingerprint"].str.startswith(image)
    made = pd.DataFrame(changes[mask.to_numpy(dtype=bool)])
    made.insert(0, "taken", time_array([record.taken] * len(made)))
    return made


def _holding(frame: pd.DataFrame, name: str, image: str | Literal[False]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The rows that have the alias, or are the image: comparing these is enough, and quick."""
    fingerprints = level(frame, "fingerprint") or []
    mask = [
        name in aliases or bool(image and fingerprint.startswith(image))
        for aliases, fingerprint in zip(frame["aliases"], fingerprints, strict=True)
    ]
    return np.array(mask, dtype=bool)
