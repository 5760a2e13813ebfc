"""Actions on the selected images: planned, shown, and only then done."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client import Client, Image, Images
from lxdimg_nb.client.files.progress import Report
from lxdimg_nb.errors import InvalidRequestError, LxdImageError, OperationCancelledError
from lxdimg_nb.panels.base.message_fields import str_field
from lxdimg_nb.panels.base.panel import Handler
from lxdimg_nb.panels.base.transfers import Transfer, transfers
from lxdimg_nb.panels.base.ui_text import error_text, no_update_reason, sentence
from lxdimg_nb.panels.image.image_actions import ImageActions
from lxdimg_nb.panels.image.image_row import main_alias
from lxdimg_nb.panels.images.table import ImageTable
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord, Progress, short_fingerprint
from lxdimg_nb.values.validation import expanded_path

if TYPE_CHECKING:
    from lxdimg_nb.inventory.plans.plan import Plan

__all__ = ["BulkActions"]

MAX_ROWS = 50
CHANGES = ("public", "private", "update", "no-update", "property", "delete")


class _StopEvent(threading.Event):
    """The event that a plan looks at before each step: reports how far it is, and is set once that is cancelled."""

    def __init__(self, report: Report, total: int) -> None:
        super().__init__()
        self._report = report
        self._total = total
        self._done = 0

    def is_set(self) -> bool:
        """Whether the transfer was cancelled."""
        try:
            self._report(Progress("server", min(self._done, self._total), self._total, f"of {self._total:,} images"))
        except OperationCancelledError:
            return True
        self._done += 1
        return False


class BulkActions:
    """The actions on the selection of a list. It is used by the panel's actor only."""

    def __init__(self, panel: ImageActions, table: ImageTable, reload: Callable[[], object]) -> None:
        self._panel = panel
        self._table = table
        self._reload = reload
        # Does what the plan says that is shown, once it is confirmed.
        self._confirmed: Callable[[], object] | None = None
        self._state: dict[str, Any] = {"state": "empty"}
        self.handlers: dict[str, Handler] = {"plan": self._plan, "apply": self._apply, "unplan": self._drop}

    def show(self) -> None:
        """Send the plan, or what became of it."""
        self._panel.show("bulk", self._state)

    def _set(self, state: str, **facts: Any) -> None:
        self._state = {"state": state, **facts}
        self.show()

    def _show_plan(self, confirmed: Callable[[], object], **facts: Any) -> None:
        self._confirmed = confirmed
        self._set("planned", **facts)

    def _drop(self, _: Mapping[str, Any]) -> None:
        self._confirmed = None
        self._set("empty")

    def _apply(self, content: Mapping[str, Any]) -> None:
        if self._confirmed is not None and content.get("confirmed") is True:
            confirmed, self._confirmed = self._confirmed, None
            confirmed()

    def _plan(self, content: Mapping[str, Any]) -> None:
        action, name, value = (str_field(content, key).strip() for key in ("action", "name", "value"))
        rows, images = self._table.rows, self._panel.images
        records = [rows[key].record for key in sorted(self._table.selected) if key in rows]
        if not records:
            return
        if action == "refresh":
            self._plan_refresh(records)
        elif action == "export":
            self._plan_export(records, expanded_path(value or "."))
        elif action in CHANGES:
            self._set("planning")
            self._panel.actor.in_background(
                lambda: _make_plan(records, images, action, name, value),
                lambda made: self._show_plan(lambda: self._apply_plan(made, images), **_view(made, action, images)),
                lambda error: self._set("refused", text=error_text(error)),
            )

    def _apply_plan(self, made: Plan, images: Images) -> None:
        client = Client(images.server_project.in_project(images.project))
        transfer = transfers.start(
            f"Apply to {formats.plural(len(made), 'image')}",
            lambda report: made.apply(client, confirm=True, stop=_StopEvent(report, len(made))),
            where=self._panel.where,
            result_text=lambda receipts: str(receipts.summary),
            cancelled_text="what was done before stays done",
            on_end=lambda transfer: self._panel.actor.post(lambda: self._applied(transfer)),
        )
        self._set("working", job=transfer.number)

    def _applied(self, transfer: Transfer) -> None:
        if transfer.error is not None:
            self._set("refused", text=transfer.text)
            return
        receipts = transfer.result
        bad = receipts[receipts["state"] != "done"]
        rows = [(r.alias, short_fingerprint(r.fingerprint), r.state, r.detail) for r in bad.head(MAX_ROWS).itertuples()]
        self._set("applied", text=transfer.text, good=not rows, **_table(rows, len(bad)))
        if self._panel.live == "off":
            self._reload()

    def _plan_refresh(self, records: list[ImageRecord]) -> None:
        able = [record for record in records if not no_update_reason(record)]
        count = formats.plural(len(able), "image")
        self._show_plan(
            lambda: self._for_each("Refresh", able, lambda image, report: image.refresh(progress=report)),
            yes=f"Refresh {count}" if able else "",
            danger="",
            hint="A newer build takes the place of the image under a new fingerprint; aliases go with it.",
            **_table(((*_names(record), *_refresh_texts(record)) for record in records[:MAX_ROWS]), len(records)),
        )

    def _plan_export(self, records: list[ImageRecord], folder: Path) -> None:
        if not os.path.isdir(folder):
            self._set(
                "refused", text=sentence(f"There is no folder {display.sanitize(folder)} on the kernel's machine")
            )
            return
        size, free = sum(record.size for record in records), shutil.disk_usage(folder).free
        space = f"{formats.size(size)} altogether; {formats.size(free)} are free in {display.sanitize(folder, 200)}."
        rows = ((*_names(record), f"export {formats.size(record.size)}", "") for record in records[:MAX_ROWS])
        self._show_plan(
            lambda: self._for_each(
                f"Export to {folder}:", records, lambda image, report: image.export(folder, progress=report)
            ),
            yes=f"Export {formats.plural(len(records), 'image')}",
            danger=space if free < size else "",
            hint="" if free < size else space,
            **_table(rows, len(records)),
        )

    def _for_each(self, verb: str, records: list[ImageRecord], step: Callable[[Image, Report], Any]) -> None:
        images = self._panel.images

        def work(report: Report) -> str:
            failures: list[str] = []
            for number, record in enumerate(records):
                count = f"{number + 1:,} of {len(records):,} images"
                inner = lambda p, count=count: report(replace(p, text=f"{p.text} {count}".strip()))  # noqa: E731
                report(Progress("server", number, len(records), count))
                try:
                    step(images.image(record), inner)
                except OperationCancelledError:
                    raise
                except LxdImageError as error:
                    failures.append(f"{short_fingerprint(record.fingerprint)}: {error.message}")
            if failures:
                raise LxdImageError(f"{len(failures):,} of {len(records):,} failed; first {failures[0]}")
            return formats.plural(len(records), "image")

        transfers.start(
            f"{verb} {formats.plural(len(records), 'image')}",
            work,
            where=self._panel.where,
            cancelled_text="what was done before stays done",
        )
        self._set("empty")


def _make_plan(records: list[ImageRecord], images: Images, action: str, name: str, value: str) -> Plan:
    # Bring pandas, which no panel needs until then.
    from lxdimg_nb.inventory import make_frame, plan

    info = images.info
    df = make_frame(
        records,
        server=images.url,
        project=images.project,
        product=info.product,
        identity=info.certificate_fingerprint,
        clock_offset=images.server_project.transport.clock_offset,
    )
    if action in ("public", "private"):
        return plan.set(df, public=action == "public")
    if action in ("update", "no-update"):
        return plan.set(df, auto_update=action == "update")
    if action == "property":
        if not name:
            raise InvalidRequestError("a property needs a name")
        return plan.set(df, properties={name: value or None})
    # What was selected by hand is deleted, except what somebody pinned.
    return plan.prune(df, older_than="0s", grace="0s", keep=("pinned",))


def _view(made: Plan, action: str, images: Images) -> dict[str, Any]:
    """Return a plan as a browser shows it."""
    steps = sorted(made.steps, key=lambda step: step.action == "keep")
    rows = (
        (s.alias, short_fingerprint(s.fingerprint), s.words or "left alone", s.protection or s.reason)
        for s in steps[:MAX_ROWS]
    )
    count = formats.plural(len(made), "image")
    yes = {"delete": f"Delete {count}", "public": f"Make {count} public"}.get(action, f"Change {count}")
    danger = ""
    if action == "public" and made:
        danger = images.info.public_warning(images.project)
    elif action == "delete" and made:
        danger = f"{count} and their aliases will be gone from the server. Instances made from them stay."
    return {
        "yes": yes if made else "",
        "danger": danger,
        "hint": "Nothing has been changed yet. What somebody else changes meanwhile is left alone.",
        **_table(rows, len(steps)),
    }


def _table(rows: Iterable[Iterable[object]], total: int) -> dict[str, Any]:
    """Return the first rows of a table as a browser shows them: alias, fingerprint, action, reason."""
    cells = [[display.sanitize(cell, 200) if isinstance(cell, str) else "" for cell in row] for row in rows]
    return {"rows": cells, "more": max(0, total - MAX_ROWS)}


def _names(record: ImageRecord) -> tuple[str, str]:
    return main_alias(record), short_fingerprint(record.fingerprint)


def _refresh_texts(record: ImageRecord) -> tuple[str, str]:
    reason, source = no_update_reason(record), record.update_source
    if reason or source is None:
        return "left alone", reason
    return f"look for a newer build of {source.alias}", f"from {source.server}"
