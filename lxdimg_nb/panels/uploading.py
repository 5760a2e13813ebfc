"""Upload of a file on the kernel's disk: checked and shown first, then sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxdimg_nb import formats, views
from lxdimg_nb.panels.transfers import Transfer, transfers
from lxdimg_nb.panels.words import sentence, why

if TYPE_CHECKING:
    from lxdimg_nb.client import Image, Images
    from lxdimg_nb.client.progress import Report
    from lxdimg_nb.client.upload import Preflight
    from lxdimg_nb.panels.browser import BrowserPanel

__all__ = ["Uploading"]


class Uploading:
    """The upload form of a browser. Belongs to the panel's actor."""

    def __init__(self, panel: BrowserPanel) -> None:
        self._panel = panel
        self._checked: tuple[Images, Path, Path | None, Preflight] | None = None
        self._running: Transfer | None = None
        self._state: dict[str, Any] = {"state": "empty"}
        self.handlers = {"check": self._check, "upload": self._upload, "unload": self._reset}

    def show(self) -> None:
        """Send where the upload is."""
        self._panel.part("upload", self._state)

    def _set(self, state: str, **facts: Any) -> None:
        self._state = {"state": state, **facts}
        self.show()

    def _reset(self, _: Mapping[str, Any]) -> None:
        self._checked = None
        self._set("empty")

    def _check(self, content: Mapping[str, Any]) -> None:
        path, second = _path(content.get("path")), _path(content.get("second"))
        self._checked = None
        if path is None:
            self._set("refused", text="Give the path of an image file on the kernel's machine.")
            return
        missing = [p for p in (path, second) if p is not None and not p.is_file()]
        if missing:
            self._set("refused", text=f"There is no file {views.plain(missing[0], 300)} on the kernel's machine.")
            return
        images = self._panel.images

        def work(report: Report) -> Preflight:
            return images.check(path, second, progress=report)

        def ended(transfer: Transfer) -> None:
            self._panel.actor.post(lambda: self._was_checked(transfer, images, path, second))

        transfer = transfers.start(
            f"Check {path.name}",
            work,
            where=self._panel.where,
            say=lambda p: f"checked {p.fingerprint[:12]}",
            then=ended,
        )
        self._running = transfer
        self._set("checking", job=transfer.number)

    def _was_checked(self, transfer: Transfer, images: Images, path: Path, second: Path | None) -> None:
        if transfer is not self._running:
            return
        if transfer.error is not None:
            self._set("refused", text=transfer.text)
            return
        found: Preflight = transfer.result
        self._checked = (images, path, second, found)
        self._set("checked", job=transfer.number, **_words(found))

    def _upload(self, content: Mapping[str, Any]) -> None:
        if self._checked is None or not self._checked[3].ok or self._checked[0].project != self._panel.images.project:
            self._reset(content)
            return
        images, path, second, found = self._checked
        public = content.get("public") is True
        names = content.get("aliases")
        aliases = names.replace(",", " ").split() if isinstance(names, str) else []
        self._checked = None

        def work(report: Report) -> Image:
            return images.create(path, public, wait=True, metadata=second, aliases=aliases, progress=report)

        def ended(transfer: Transfer) -> None:
            self._panel.actor.post(lambda: self._was_uploaded(transfer))

        transfer = transfers.start(
            f"Upload {path.name}",
            work,
            where=self._panel.where,
            say=lambda image: f"imported as {image.fingerprint[:12]}",
            then=ended,
        )
        self._running = transfer
        self._set("uploading", job=transfer.number, name=views.plain(path.name, 100), size=formats.size(found.size))

    def _was_uploaded(self, transfer: Transfer) -> None:
        panel = self._panel
        if transfer is self._running:
            if transfer.error is None:
                self._set("done", text=transfer.text)
            else:
                self._set("refused", text=transfer.text if transfer.state == "cancelled" else why(transfer.error))
        if transfer.error is None:
            panel.arrived(transfer.result.record)


def _path(value: object) -> Path | None:
    if not isinstance(value, str) or not value.strip():
        return None
    return Path(value.strip()).expanduser()


def _words(found: Preflight) -> dict[str, Any]:
    """A pre-flight for people."""
    problems = [sentence(p) for p in found.problems]
    if found.exists:
        problems.append("This image is already on the server; there is nothing to upload.")
    if found.free is not None and found.free < found.needed:
        free, needed = formats.size(found.free), formats.size(found.needed)
        problems.append(f"The server has {free} free where it keeps images and wants {needed}.")
    kind = {"virtual-machine": "virtual machine", "container": "container"}.get(found.type, "told by the server")
    facts = [
        ("Fingerprint", found.fingerprint),
        ("Kind", f"{found.kind}, {kind}"),
        ("Architecture", found.architecture or "told by the server"),
        ("Size", formats.size(found.size)),
        ("Description", found.properties.get("description", "")),
    ]
    notes = [sentence(n) for n in found.notes]
    if found.swapped:
        notes.append("The two files were given the other way round; they are sent in the right order.")
    return {
        "facts": [{"name": n, "value": views.plain(v, 200)} for n, v in facts if v],
        "problems": problems,
        "notes": notes,
        "ok": found.ok,
    }
