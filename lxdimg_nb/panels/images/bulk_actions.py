"""The same change for many images: planned, shown, and only then applied."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client import Client, Image
from lxdimg_nb.errors import InvalidRequestError, LxdImageError, OperationCancelledError
from lxdimg_nb.panels.base.panel import text_of
from lxdimg_nb.panels.base.transfers import Transfer, transfers
from lxdimg_nb.panels.base.ui_text import exposure, no_update, sentence, why
from lxdimg_nb.panels.image.image_actions import ImageActions
from lxdimg_nb.panels.image.image_row import main_alias
from lxdimg_nb.panels.images.table import ImageTable
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord, Progress, short_fingerprint

if TYPE_CHECKING:
    from lxdimg_nb.client import Images
    from lxdimg_nb.client.files.progress import Report
    from lxdimg_nb.inventory.plans.plan import Plan

__all__ = ["BulkActions"]

SHOWN = 50
CHANGES = ("public", "private", "update", "no-update", "property", "delete")


class _Watched(threading.Event):
    """Asked by a plan before each step whether to stop: tells how far it is, and stops when the transfer is."""

    def __init__(self, report: Report, total: int) -> None:
        super().__init__()
        self._report = report
        self._total = total
        self._asked = 0

    def is_set(self) -> bool:
        """Whether the transfer was cancelled."""
        try:
            self._report(Progress("server", min(self._asked, self._total), self._total, f"of {self._total:,} images"))
        except OperationCancelledError:
            return True
        self._asked += 1
        return False


class BulkActions:
    """What is planned for the selection of a browser. Belongs to the panel's actor."""

    def __init__(self, panel: ImageActions, table: ImageTable, reload: Callable[[], object]) -> None:
        self._panel = panel
        self._table = table
        self._reload = reload
        # What the plan that is shown does once it is confirmed.
        self._ready: Callable[[], object] | None = None
        self._state: dict[str, Any] = {"state": "empty"}
        self.handlers: dict[str, Callable[[Mapping[str, Any]], object]] = {
            "plan": self._make,
            "apply": self._apply,
            "unplan": self._drop,
        }

    def show(self) -> None:
        """Send what is planned."""
        self._panel.part("bulk", self._state)

    def _set(self, state: str, **facts: Any) -> None:
        self._state = {"state": state, **facts}
        self.show()

    def _drop(self, _: Mapping[str, Any]) -> None:
        self._ready = None
        self._set("empty")

    def _chosen(self) -> list[ImageRecord]:
        rows = self._table.rows
        return [rows[key].record for key in sorted(self._table.selected) if key in rows]

    def _make(self, content: Mapping[str, Any]) -> None:
        action, name, value = (text_of(content, key).strip() for key in ("action", "name", "value"))
        records, images = self._chosen(), self._panel.images
        if not records:
            return
        if action == "refresh":
            self._refresh(records)
        elif action == "export":
            self._export(records, value)
        elif action in CHANGES:
            self._set("planning")
            self._panel.actor.aside(
                lambda: _planned(records, images, action, name, value),
                lambda plan: self._show(lambda: self._apply_plan(plan, images), **_words(plan, action, images)),
                lambda error: self._set("refused", text=why(error)),
            )

    def _show(self, ready: Callable[[], object], **facts: Any) -> None:
        self._ready = ready
        self._set("planned", **facts)

    def _apply(self, content: Mapping[str, Any]) -> None:
        if self._ready is not None and content.get("confirmed") is True:
            ready, self._ready = self._ready, None
            ready()

    def _apply_plan(self, plan: Plan, images: Images) -> None:
        client = Client(images.transport, replace(images.dialect.info, project=images.project))

        def work(report: Report) -> Any:
            return plan.apply(client, confirm=True, stop=_Watched(report, len(plan)))

        def ended(transfer: Transfer) -> None:
            self._panel.actor.post(lambda: self._applied(transfer))

        transfer = transfers.start(
            f"Apply to {formats.plural(len(plan), 'image')}",
            work,
            where=self._panel.where,
            say=lambda receipts: receipts.summary,
            stopped="what was done before stays done",
            then=ended,
        )
        self._set("working", job=transfer.number)

    def _applied(self, transfer: Transfer) -> None:
        if transfer.error is not None:
            self._set("refused", text=transfer.text)
            return
        receipts = transfer.result
        bad = receipts[receipts["state"] != "done"]
        rows = [
            [
                display.sanitize(r.alias, 60) if isinstance(r.alias, str) else "",
                short_fingerprint(r.fingerprint),
                r.state,
                r.detail,
            ]
            for r in bad.head(SHOWN).itertuples()
        ]
        self._set(
            "applied",
            text=transfer.text,
            good=not rows,
            rows=[[display.sanitize(cell, 200) if isinstance(cell, str) else "" for cell in row] for row in rows],
            more=max(0, len(bad) - SHOWN),
        )
        if self._panel.live == "off":
            self._reload()

    def _refresh(self, records: list[ImageRecord]) -> None:
        able = [record for record in records if not no_update(record)]
        count = formats.plural(len(able), "image")
        rows = [
            [f"look for a newer build of {s.alias}", f"from {s.server}"]
            if not (reason := no_update(record)) and (s := record.update_source)
            else ["left alone", reason]
            for record in records
        ]
        self._show(
            lambda: self._each("Refresh", able, lambda image, report: image.refresh(progress=report)),
            title=f"Refresh {count}" if able else "Nothing to do",
            yes=f"Refresh {count}" if able else "",
            danger="",
            hint="A newer build takes the place of the image under a new fingerprint; aliases go with it.",
            **_rows(records, rows),
        )

    def _export(self, records: list[ImageRecord], folder: str) -> None:
        target = Path(folder).expanduser() if folder else Path.cwd()
        if not target.is_dir():
            self._set(
                "refused", text=sentence(f"There is no folder {display.sanitize(target)} on the kernel's machine")
            )
            return
        count, size = formats.plural(len(records), "image"), sum(record.size for record in records)
        free = shutil.disk_usage(target).free
        room = f"{formats.size(size)} altogether; {formats.size(free)} are free in {display.sanitize(target, 200)}."
        self._show(
            lambda: self._each(
                f"Export to {target}:", records, lambda image, report: image.export(target, progress=report)
            ),
            title=f"Export {count}",
            yes=f"Export {count}",
            danger=room if free < size else "",
            hint="" if free < size else room,
            **_rows(records, [[f"export {formats.size(record.size)}", ""] for record in records]),
        )

    def _each(self, word: str, records: list[ImageRecord], step: Callable[[Image, Report], Any]) -> None:
        images = self._panel.images

        def work(report: Report) -> str:
            failures: list[str] = []
            for at, record in enumerate(records):
                count = f"{at + 1:,} of {len(records):,} images"
                inner = lambda p, count=count: report(replace(p, text=f"{p.text} {count}".strip()))  # noqa: E731
                report(Progress("server", at, len(records), count))
                try:
                    step(Image(record, images), inner)
                except OperationCancelledError:
                    raise
                except LxdImageError as error:
                    failures.append(f"{short_fingerprint(record.fingerprint)}: {error.message}")
            if failures:
                raise LxdImageError(f"{len(failures):,} of {len(records):,} failed; first {failures[0]}")
            return formats.plural(len(records), "image")

        transfers.start(
            f"{word} {formats.plural(len(records), 'image')}",
            work,
            where=self._panel.where,
            stopped="what was done before stays done",
        )
        self._set("empty")


def _planned(records: list[ImageRecord], images: Images, action: str, name: str, value: str) -> Plan:
    from lxdimg_nb.inventory import make_frame, plan

    info = images.dialect.info
    df = make_frame(
        records,
        server=images.transport.url,
        project=images.project,
        product=info.product,
        identity=info.certificate_fingerprint,
    )
    if action in ("public", "private"):
        return plan.set(df, public=action == "public")
    if action in ("update", "no-update"):
        return plan.set(df, auto_update=action == "update")
    if action == "property":
        if not name:
            raise InvalidRequestError("a property needs a name")
        return plan.set(df, properties={name: value or None})
    # What was selected by hand goes; only what somebody pinned stays.
    return plan.prune(df, older_than="0s", grace="0s", keep=("pinned",))


def _words(plan: Plan, action: str, images: Images) -> dict[str, Any]:
    steps = sorted(plan.steps, key=lambda step: step.action == "keep")
    rows = [
        [step.alias, short_fingerprint(step.fingerprint), step.words or "left alone", step.protection or step.reason]
        for step in steps[:SHOWN]
    ]
    count = formats.plural(len(plan), "image")
    yes = {"delete": f"Delete {count}", "public": f"Make {count} public"}.get(action, f"Change {count}")
    danger = exposure(images.dialect.info, images.project) if action == "public" and plan else ""
    if action == "delete" and plan:
        danger = f"{count} and their aliases will be gone from the server. Instances made from them stay."
    return {
        "title": yes if plan else "Nothing to do",
        "yes": yes if plan else "",
        "danger": danger,
        "hint": "Nothing has been changed yet. What somebody else changes meanwhile is left alone.",
        "rows": [[display.sanitize(cell, 200) for cell in row] for row in rows],
        "more": max(0, len(steps) - SHOWN),
    }


def _rows(records: list[ImageRecord], words: list[list[str]]) -> dict[str, Any]:
    """The rows of a plan: the image, what is done with it, and why."""
    shown = zip(records[:SHOWN], words, strict=False)
    rows = [[main_alias(record), short_fingerprint(record.fingerprint), *what] for record, what in shown]
    return {
        "rows": [[display.sanitize(cell, 200) for cell in row] for row in rows],
        "more": max(0, len(records) - SHOWN),
    }
