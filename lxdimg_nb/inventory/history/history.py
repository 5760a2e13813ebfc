"""Inventories over time: a folder of Parquet files, one a record, partitioned by day.

    folder/_history.json                       the format
    folder/day=2026-06-01/20260601T…-….parquet

Files are never changed: a record is a new file that gets its name when it is complete and on disk. pandas,
DuckDB and Dask read the folder as it stands.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import warnings
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from lxdimg_nb.client.files.part_file import fsync_directory
from lxdimg_nb.errors import InvalidRequestError, NotFoundError
from lxdimg_nb.inventory.frame import conditions, schema
from lxdimg_nb.inventory.frame.column_builders import time_array
from lxdimg_nb.inventory.frame.frame import InventoryFrame, as_inventory
from lxdimg_nb.inventory.frame.rows import level
from lxdimg_nb.inventory.history.difference import Changes, diff
from lxdimg_nb.inventory.history.parquet import from_table, parquet, to_table
from lxdimg_nb.inventory.history.record import Moment, Record, combined, covered, end_of, scopes_of
from lxdimg_nb.text import formats
from lxdimg_nb.text.styled_frame import StyledFrame
from lxdimg_nb.values.validation import expanded_path

__all__ = ["History", "Record"]

FORMAT = 1
MARKER = "_history.json"
_DRAFT = re.compile(rf"^\.{re.escape(MARKER)}\.[0-9a-f]{{8}}\.part$")
_FILE = re.compile(r"^(\d{8}T\d{12}Z)-[0-9a-f]{8}\.parquet$")
_STAMP = "%Y%m%dT%H%M%S%fZ"
_NOTE = b"lxdimg"
# Raised for a damaged file, beside what Arrow itself raises.
_DAMAGE = (OSError, ValueError, KeyError, TypeError)


class History:
    """Inventories over time, in a folder.

    Args:
        folder: created by the first `record()`.

    Raises:
        InvalidRequestError: the folder holds something else, or a history of another format.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = expanded_path(folder)
        try:
            self._check()
        except OSError as error:
            raise InvalidRequestError(f"cannot read the history {self.folder}: {error.strerror}") from error
        self._records: dict[Path, Record] = {}

    def _check(self) -> None:
        marker = self.folder / MARKER
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidRequestError(f"{self.folder} is a file; a history is a folder")
        if marker.exists():
            _check_format(marker)
        elif self.folder.exists() and not all(_DRAFT.match(entry.name) for entry in self.folder.iterdir()):
            raise InvalidRequestError(f"{self.folder} holds something else than a history; give an empty folder")

    def __repr__(self) -> str:
        return f"<History {self.folder}: {formats.plural(len(self._files()), 'record')}>"

    def record(self, frame: pd.DataFrame) -> Record:
        """Keep an inventory. Certificates, `extra`, and properties that look secret are left out.

        Warns if the clock of a server and this machine's are apart: the latter dates the record.

        Args:
            frame: whole, as `images.df()` or a fleet makes it. Servers of a fleet that did not answer, or gave
                only some of their images, are left out.

        Raises:
            InvalidRequestError: the frame is incomplete, or does not say when and where it was taken; or the folder
                cannot be written. The history is unchanged.
        """
        if not schema.is_inventory(frame) or "taken" not in frame.attrs:
            raise InvalidRequestError("a history keeps frames of images.df() or of a fleet, as they are")
        taken = datetime.fromisoformat(frame.attrs["taken"]).astimezone(UTC)
        if frame.attrs.get("filter") or frame.attrs.get("images", len(frame)) != len(frame):
            raise InvalidRequestError(
                "this frame is a part of an inventory; a history keeps whole ones, or removals would be guessed"
            )
        if apart := conditions.clocks_apart(frame):
            name, words = next(iter(apart.items()))
            clock = f"the clock of {name} is {words} this machine's, which dates the record {formats.timestamp(taken)}"
            warnings.warn(f"{clock}; if it is the wrong one, delete that record", stacklevel=2)
        scopes = scopes_of(frame)
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
        day = self.folder / f"day={taken.date().isoformat()}"
        path = day / f"{taken.strftime(_STAMP)}-{secrets.token_hex(4)}.parquet"
        try:
            self._prepare()
            if not day.exists():
                day.mkdir(exist_ok=True)
                fsync_directory(self.folder)
            _write(path, lambda file: parquet()[1].write_table(table, file, compression="zstd"))
        except OSError as error:
            reason = error.strerror or " ".join(str(error).split())
            raise InvalidRequestError(
                f"cannot write the history {self.folder}: {reason}; nothing was recorded"
            ) from error
        self._records[path] = Record(taken, path, tuple(scopes), len(frame))
        return self._records[path]

    def records(self) -> list[Record]:
        """The records, oldest first."""
        return [self._open(path) for path in self._files()]

    def at(self, moment: Moment | None = None) -> InventoryFrame:
        """The inventory as last known at a time, with the index `(server, project, fingerprint)`.

        Each project of each server is as in its last record until then.

        Args:
            moment: a time, or a date (its end); None is the latest.

        Raises:
            NotFoundError: nothing was recorded until then.
        """
        records = self._until(moment)
        latest: list[Record] = []
        for record in reversed(records):
            if not record.is_covered(latest):
                latest.append(record)
        frame = combined((record, self._load(record)) for record in latest)
        made = as_inventory(self._load(records[-1]).iloc[:0] if frame is None else frame)
        servers = sorted({server for record in latest for server, _ in record.scopes})
        made.attrs = {
            "server": servers[0] if len(servers) == 1 else f"{len(servers)} servers",
            "project": "*",
            "taken": records[-1].taken.isoformat().replace("+00:00", "Z"),
            "product": "",
            "identity": "",
            "servers": {server: {} for server in servers},
            "unanswered": [],
        }
        return made

    def _until(self, moment: Moment | None) -> list[Record]:
        until = None if moment is None else end_of(moment)
        records = [record for record in self.records() if until is None or record.taken <= until]
        if not records:
            raise NotFoundError(f"{self.folder} has no record{f' until {until.isoformat()}' if until else ''}")
        return records

    def diff(self, a: Moment | None = None, b: Moment | None = None, *, ignore: Collection[str] = ()) -> Changes:
        """What changed between two times.

        Args:
            a: the earlier one, a time or a record; None is the second to last record.
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
            a = records[-2]
        after = self.at(b)
        return diff(self.at(a), after[covered(after, self._until(a))], ignore=ignore)

    def timeline(self, name: str | None = None) -> pd.DataFrame:
        """How the inventory, or one image or alias, changed over time.

        Args:
            name: an alias, or the first 12 or more digits of a fingerprint.

        Returns:
            Without a name a row a record: `images`, `bytes` (once a server and fingerprint), `public`, and how
            many were `added`, `removed`, `changed` since earlier records of the same servers and projects.
            With a name the changes of that image or alias, with `taken`; the first says that it was there.
        """
        rows: list[dict[str, Any]] = []
        found: list[pd.DataFrame] = []
        parts: list[tuple[Record, InventoryFrame]] = []
        for record in self.records():
            frame = self._load(record)
            known = covered(frame, [earlier for earlier, _ in parts])
            before = combined(parts, within=record)
            before = frame.iloc[:0] if before is None else before
            parts = [(record, frame), *(part for part in parts if not part[0].is_covered([record]))]
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
        if path not in self._records:
            try:
                meta = parquet()[1].read_metadata(path)
                note = json.loads(meta.metadata[_NOTE])
                scopes = tuple((str(s), str(p)) for s, p in note["scopes"])
                taken = datetime.fromisoformat(note["taken"])
            except (*_DAMAGE, parquet()[0].ArrowException) as exc:
                raise _damaged(path, exc) from exc
            self._records[path] = Record(taken, path, scopes, meta.num_rows)
        return self._records[path]

    def _load(self, record: Record) -> InventoryFrame:
        try:
            frame = from_table(parquet()[1].ParquetFile(record.path).read())
        except (*_DAMAGE, parquet()[0].ArrowException) as exc:
            raise _damaged(record.path, exc) from exc
        frame.attrs = {"taken": record.taken.isoformat(), "server": "", "project": "*", "unanswered": []}
        return frame

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        marker = self.folder / MARKER
        if marker.exists():
            _check_format(marker)
        else:
            text = json.dumps({"format": FORMAT, "what": "lxdimg-nb inventory history"}) + "\n"
            _write(marker, lambda file: file.write(text.encode()))


def _damaged(path: Path, error: Exception) -> InvalidRequestError:
    """The error for a file that cannot be read; what Arrow says of it goes over several lines."""
    return InvalidRequestError(f"{path} is no record of a history: {' '.join(str(error).split())}; move it away")


def _check_format(marker: Path) -> None:
    try:
        found = json.loads(marker.read_text())["format"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InvalidRequestError(f"{marker} does not say which history this is; nothing was changed") from exc
    if found != FORMAT:
        raise InvalidRequestError(
            f"{marker.parent} is a history of format {found!r}, this package writes {FORMAT}; nothing was changed"
        )


def _write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write a file under a temporary name, sync it, and rename it. Readers of Parquet ignore names with a dot."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    fsync_directory(path.parent)


def _about(name: str, record: Record, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The changes of an alias or image."""
    image = name.lower() if len(name) >= 12 else ""
    if not image or before.empty:
        before, after = (frame[_holding(frame, name, image)] for frame in (before, after))
    changes = diff(before, after)
    mask = changes["change"].astype(str).str.startswith("alias") & (changes["field"] == name)
    if image:
        mask |= changes["fingerprint"].str.startswith(image)
    made = pd.DataFrame(changes[mask.to_numpy(dtype=bool)])
    made.insert(0, "taken", time_array([record.taken] * len(made)))
    return made


def _holding(frame: pd.DataFrame, name: str, image: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The rows that have the alias or are the image, as a mask; comparing only these is quick."""
    mask = [
        name in aliases or bool(image and fingerprint.startswith(image))
        for aliases, fingerprint in zip(frame["aliases"], level(frame, "fingerprint") or [], strict=True)
    ]
    return np.array(mask, dtype=bool)
