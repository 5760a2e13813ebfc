"""Upload of an image from the kernel's disk or the browser's: checked and shown first, then sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxdimg_nb.panels.base.message_fields import int_field, str_field
from lxdimg_nb.panels.base.transfers import Transfer, transfers
from lxdimg_nb.panels.base.ui_text import sentence
from lxdimg_nb.panels.image.image_actions import ImageActions
from lxdimg_nb.panels.upload.file_receiver import PIECE, WINDOW, FileReceiver
from lxdimg_nb.panels.upload.path_completion import completed
from lxdimg_nb.panels.upload.spool_file import Spool, SpoolFile
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import short_fingerprint

if TYPE_CHECKING:
    from lxdimg_nb.client import Image, Images
    from lxdimg_nb.client.files.progress import Report
    from lxdimg_nb.client.verbs.write.check import Preflight
    from lxdimg_nb.values import ImageRecord

__all__ = ["UploadForm"]

SLOTS = ("image", "second")


@dataclass(frozen=True, slots=True)
class _Files:
    """What is to be uploaded, and where to."""

    images: Images
    path: Path
    second: Path | None
    name: str
    spooled: tuple[SpoolFile, ...] = ()

    def remove(self) -> None:
        for file in self.spooled:
            file.remove()


class UploadForm:
    """The upload form of a browser. Belongs to the panel's actor."""

    def __init__(self, panel: ImageActions, uploaded: Callable[[ImageRecord], object]) -> None:
        self._panel = panel
        self._uploaded = uploaded
        self.spool = Spool()
        self._files: _Files | None = None
        self._found: Preflight | None = None
        self._running: Transfer | None = None
        self._coming: dict[str, FileReceiver] = {}
        self._state: dict[str, Any] = {"state": "empty"}
        self.handlers = {
            "check": self._check,
            "complete": self._complete,
            "upload": self._upload,
            "unload": self._reset,
            "file-begin": self._file_begin,
            "file-piece": self._file_piece,
            "file-direct": lambda m: self._with(m, FileReceiver.direct),
            "file-sent": lambda m: self._with(m, FileReceiver.sent),
        }

    def show(self) -> None:
        """Send where the upload is."""
        self._panel.show("upload", self._state)

    def _set(self, state: str, **facts: Any) -> None:
        self._state = {"state": state, **facts}
        self.show()

    def _reset(self, _: Mapping[str, Any]) -> None:
        for receiving in self._coming.values():
            if receiving.running:
                receiving.transfer.cancel()
        self._coming.clear()
        if self._files is not None:
            self._files.remove()
        self._files, self._found, self._running = None, None, None
        self._set("empty")

    def close(self) -> None:
        """Stop what is coming and keep nothing of it."""
        self._reset({})

    # From the browser

    def _file_begin(self, content: Mapping[str, Any]) -> None:
        slot = str_field(content, "slot")
        if slot not in SLOTS:
            return
        name = display.sanitize(str_field(content, "name"), 200) or "file"
        count = int_field(content, "count")
        file = self.spool.file(name, int_field(content, "size"), int_field(content, "modified"))
        old = self._coming.get(slot)
        if old is not None and old.running and old.file.path != file.path:
            old.transfer.cancel()
        if old is None or not old.running or old.file.path != file.path:
            if file.have >= file.size:
                # It came whole before; nothing vouches for it but its name, so it comes again.
                file.restart()
            self._coming[slot] = FileReceiver(
                self._panel.actor,
                file,
                where=self._panel.where,
                hashes=self._panel.images.server_project.hashes,
                tell=self._panel.tell,
                then=lambda r: self._came(slot, r, count),
            )
        receiving = self._coming[slot]
        self._set("receiving", jobs=[r.transfer.number for r in self._coming.values()])
        self._panel.send_message(
            "begin",
            slot=slot,
            job=receiving.transfer.number,
            have=file.have,
            probe=file.probe() if file.have else "",
            piece=PIECE,
            window=WINDOW,
            place=file.path.name,
        )

    def _with(self, content: Mapping[str, Any], step: Any) -> None:
        for receiving in self._coming.values():
            if receiving.transfer.number == content.get("job"):
                step(receiving)

    def _file_piece(self, content: Mapping[str, Any]) -> None:
        buffers: list[memoryview] = content.get("buffers") or []
        if len(buffers) == 1 and len(buffers[0]) <= 2 * PIECE:
            offset, restart = int_field(content, "offset"), content.get("restart") is True
            self._with(content, lambda r: r.piece(offset, buffers[0], restart=restart))

    def _came(self, slot: str, receiving: FileReceiver, count: int) -> None:
        if self._coming.get(slot) is not receiving:
            return
        if receiving.transfer.error is not None:
            cancelled = receiving.transfer.state == "cancelled"
            self._panel.send_message("file-stop", job=receiving.transfer.number)
            if cancelled:
                self._reset({})
            self._set("refused", text=receiving.transfer.text)
            return
        here = [self._coming[s] for s in SLOTS if s in self._coming]
        if len(here) < count or any(r.transfer.state != "done" for r in here):
            return
        files = [r.file for r in here]
        self._coming.clear()
        second = files[1].path if len(files) > 1 else None
        self._start_check(_Files(self._panel.images, files[0].path, second, files[0].name, tuple(files)))

    # From the kernel's disk

    def _complete(self, content: Mapping[str, Any]) -> None:
        """In a thread: a folder on a network may take its time."""
        text, panel = str_field(content, "path"), self._panel
        panel.actor.in_background(
            lambda: completed(text),
            lambda found: panel.show("paths", {"path": text, "found": found}),
            lambda _: None,
        )

    def _check(self, content: Mapping[str, Any]) -> None:
        path, second = _path(content.get("path")), _path(content.get("second"))
        self._reset(content)
        if path is None:
            self._set("refused", text="Give the path of an image file on the kernel's machine.")
            return
        missing = [p for p in (path, second) if p is not None and not p.is_file()]
        if missing:
            self._set("refused", text=f"There is no file {display.sanitize(missing[0], 300)} on the kernel's machine.")
            return
        self._start_check(_Files(self._panel.images, path, second, path.name))

    # Both

    def _start_check(self, files: _Files) -> None:
        def work(report: Report) -> Preflight:
            return files.images.check(files.path, files.second, progress=report)

        def ended(transfer: Transfer) -> None:
            self._panel.actor.post(lambda: self._was_checked(transfer, files))

        self._running = transfers.start(
            f"Check {files.name}",
            work,
            where=self._panel.where,
            result_text=lambda found: f"checked {short_fingerprint(found.fingerprint)}",
            on_end=ended,
        )
        self._set("checking", job=self._running.number)

    def _was_checked(self, transfer: Transfer, files: _Files) -> None:
        if transfer is not self._running or transfer.error is not None:
            files.remove()
            if transfer is self._running:
                self._set("refused", text=transfer.text)
            return
        if transfer.result.ok:
            self._files, self._found = files, transfer.result
        else:
            # Nothing can be done with it, so nothing of it is kept.
            files.remove()
        self._set("checked", job=transfer.number, **_words(transfer.result))

    def _upload(self, content: Mapping[str, Any]) -> None:
        files, found = self._files, self._found
        if files is None or found is None or not found.ok or files.images.project != self._panel.images.project:
            self._reset(content)
            return
        public = content.get("public") is True
        aliases = str_field(content, "aliases").replace(",", " ").split()
        self._files = self._found = None

        def work(report: Report) -> Image:
            return files.images.create(
                files.path,
                public,
                wait=True,
                metadata=files.second,
                filename=files.name if files.second is None else None,
                aliases=aliases,
                progress=report,
            )

        def ended(transfer: Transfer) -> None:
            self._panel.actor.post(lambda: self._was_uploaded(transfer, files))

        self._running = transfers.start(
            f"Upload {files.name}",
            work,
            where=self._panel.where,
            result_text=lambda image: f"imported as {short_fingerprint(image.fingerprint)}",
            on_end=ended,
        )
        size = formats.size(found.size)
        self._set("uploading", job=self._running.number, name=display.sanitize(files.name, 100), size=size)

    def _was_uploaded(self, transfer: Transfer, files: _Files) -> None:
        files.remove()
        if transfer is self._running:
            if transfer.error is None:
                self._set("done", text=transfer.text)
            else:
                self._set("refused", text=transfer.text)
        if transfer.error is None:
            self._uploaded(transfer.result.record)


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
        "facts": [{"name": n, "value": display.sanitize(v, 200)} for n, v in facts if v],
        "problems": problems,
        "notes": notes,
        "ok": found.ok,
    }
