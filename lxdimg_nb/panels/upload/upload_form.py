"""The upload form: an image from the kernel's disk or the browser's is checked, shown, and only then uploaded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lxdimg_nb.client import Image, Images, image_metadata
from lxdimg_nb.client.files.formats.archive_contents import MAKE_METADATA
from lxdimg_nb.client.files.metadata.metadata_tarball import ImageMetadata
from lxdimg_nb.client.files.progress import Report
from lxdimg_nb.client.verbs.write.check import Preflight
from lxdimg_nb.panels.base.message_fields import int_field, names_field, str_field
from lxdimg_nb.panels.base.panel import Handler
from lxdimg_nb.panels.base.transfers import Transfer, transfers
from lxdimg_nb.panels.base.ui_text import sentence
from lxdimg_nb.panels.image.image_actions import ImageActions
from lxdimg_nb.panels.upload.file_receiver import PIECE, WINDOW, FileReceiver
from lxdimg_nb.panels.upload.path_completion import complete_path
from lxdimg_nb.panels.upload.spool_file import Spool, SpoolFile
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord, short_fingerprint
from lxdimg_nb.values.validation import expanded_path

__all__ = ["UploadForm"]

SLOTS = ("image", "second")


@dataclass(frozen=True, slots=True)
class _Files:
    """The files to upload, and the project to upload them to."""

    images: Images
    path: Path
    second: Path | None
    name: str
    spool_files: tuple[SpoolFile, ...] = ()
    made: ImageMetadata | None = None

    @property
    def metadata(self) -> ImageMetadata | Path | None:
        """The second file, or the metadata that were made instead of one."""
        return self.made if self.made is not None else self.second

    def remove(self) -> None:
        """Delete what came from the browser."""
        for file in self.spool_files:
            file.remove()


class UploadForm:
    """The upload form of a list of images. It is used by the panel's actor only.

    Args:
        panel: the panel that shows the form.
        uploaded: called with the record of a new image.
    """

    def __init__(self, panel: ImageActions, uploaded: Callable[[ImageRecord], object]) -> None:
        self._panel = panel
        self._uploaded = uploaded
        self.spool = Spool()
        # What was checked and may be uploaded.
        self._checked: _Files | None = None
        # What was checked and lacks only its metadata, and what was found about it.
        self._bare: tuple[_Files, dict[str, Any]] | None = None
        self._running: Transfer | None = None
        self._receivers: dict[str, FileReceiver] = {}
        self._state: dict[str, Any] = {"state": "empty"}
        self.handlers: dict[str, Handler] = {
            "check": self._check,
            "complete": self._complete,
            "make-metadata": self._make_metadata,
            "upload": self._upload,
            "unload": lambda _: self.close(),
            "file-begin": self._begin_file,
            "file-piece": self._receive_piece,
            "file-direct": lambda m: self._for_receiver(m, FileReceiver.watch),
            "file-sent": lambda m: self._for_receiver(m, FileReceiver.sent),
        }

    def show(self) -> None:
        """Send the state of the upload."""
        self._panel.show("upload", self._state)

    def _set(self, state: str, **facts: Any) -> None:
        self._state = {"state": state, **facts}
        self.show()

    def close(self) -> None:
        """Cancel what is being received, delete what was received, and empty the form."""
        for receiver in self._receivers.values():
            receiver.transfer.cancel()
        self._receivers.clear()
        if self._checked is not None:
            self._checked.remove()
        if self._bare is not None:
            self._bare[0].remove()
        self._checked = self._running = self._bare = None
        self._set("empty")

    # Files from the browser

    def _begin_file(self, content: Mapping[str, Any]) -> None:
        slot = str_field(content, "slot")
        if slot not in SLOTS:
            return
        name = display.sanitize(str_field(content, "name"), 200) or "file"
        file = self.spool.file(name, int_field(content, "size"), int_field(content, "modified"))
        receiver = self._receivers.get(slot)
        if receiver is None or not receiver.transfer.active or receiver.file.path != file.path:
            if receiver is not None:
                receiver.transfer.cancel()
            receiver = self._receivers[slot] = self._new_receiver(slot, file, int_field(content, "count"))
        self._set("receiving", jobs=[r.transfer.number for r in self._receivers.values()])
        self._panel.send_message(
            "begin",
            slot=slot,
            job=receiver.transfer.number,
            have=file.have,
            probe=file.probe() if file.have else "",
            piece=PIECE,
            window=WINDOW,
            place=file.path.name,
        )

    def _new_receiver(self, slot: str, file: SpoolFile, count: int) -> FileReceiver:
        if file.have >= file.size:
            # It came whole before; nothing vouches for it but its name, so it comes again.
            file.restart()
        return FileReceiver(
            self._panel.actor,
            file,
            where=self._panel.where,
            hashes=self._panel.images.server_project.hashes,
            tell=self._panel.send_message,
            then=lambda receiver: self._received(slot, receiver, count),
        )

    def _for_receiver(self, content: Mapping[str, Any], step: Callable[[FileReceiver], object]) -> None:
        for receiver in self._receivers.values():
            if receiver.transfer.number == content.get("job"):
                step(receiver)

    def _receive_piece(self, content: Mapping[str, Any]) -> None:
        buffers: list[memoryview] = content.get("buffers") or []
        if len(buffers) == 1 and len(buffers[0]) <= 2 * PIECE:
            offset, restart = int_field(content, "offset"), content.get("restart") is True
            self._for_receiver(content, lambda receiver: receiver.put(offset, buffers[0], restart=restart))

    def _received(self, slot: str, receiver: FileReceiver, count: int) -> None:
        if self._receivers.get(slot) is not receiver:
            return
        transfer = receiver.transfer
        if transfer.error is not None:
            self._panel.send_message("file-stop", job=transfer.number)
            if transfer.state == "cancelled":
                self.close()
            self._set("refused", text=transfer.text)
            return
        receivers = [self._receivers[s] for s in SLOTS if s in self._receivers]
        if len(receivers) < count or any(r.transfer.state != "done" for r in receivers):
            return
        self._receivers.clear()
        files = tuple(r.file for r in receivers)
        second = files[1].path if len(files) > 1 else None
        self._start_check(_Files(self._panel.images, files[0].path, second, files[0].name, files))

    # Files on the kernel's disk

    def _complete(self, content: Mapping[str, Any]) -> None:
        # In the background: a folder on a network may take its time.
        text, panel = str_field(content, "path"), self._panel
        panel.actor.in_background(
            lambda: complete_path(text),
            lambda found: panel.show("paths", {"path": text, "found": found}),
            lambda _: None,
        )

    def _check(self, content: Mapping[str, Any]) -> None:
        texts = [str_field(content, name).strip() for name in ("path", "second")]
        path, second = (expanded_path(text) if text else None for text in texts)
        self.close()
        missing = [p for p in (path, second) if p is not None and not os.path.isfile(p)]
        if path is None:
            self._set("refused", text="Give the path of an image file on the kernel's machine.")
        elif missing:
            name = display.sanitize(missing[0], 300)
            self._set("refused", text=f"There is no file {name} on the kernel's machine.")
        else:
            self._start_check(_Files(self._panel.images, path, second, path.name))

    # Check and upload

    def _start_check(self, files: _Files) -> None:
        self._running = transfers.start(
            f"Check {files.name}",
            lambda report: files.images.check(files.path, files.second, progress=report),
            where=self._panel.where,
            result_text=lambda found: f"checked {short_fingerprint(found.fingerprint)}",
            on_end=lambda transfer: self._panel.actor.post(lambda: self._check_ended(transfer, files)),
        )
        self._set("checking", job=self._running.number)

    def _check_ended(self, transfer: Transfer, files: _Files) -> None:
        if transfer is not self._running or transfer.error is not None:
            files.remove()
            if transfer is self._running:
                self._set("refused", text=transfer.text)
            return
        found = _view(transfer.result)
        if transfer.result.ok:
            self._checked = files
        elif transfer.result.needs_metadata:
            self._bare = files, found
        else:
            files.remove()
        self._set("checked", job=transfer.number, **found)

    # Metadata for a file that has none

    def _make_metadata(self, content: Mapping[str, Any]) -> None:
        bare = self._bare
        if bare is None:
            # Clicked twice: what the first one began goes on.
            self.show()
            return
        files = bare[0]
        if files.images.project != self._panel.images.project:
            self.close()
            return
        self._bare = None
        names = ("os", "release", "architecture", "image")
        system, release, machine, one = (str_field(content, name).strip() or None for name in names)

        def work(report: Report) -> tuple[_Files, Preflight]:
            made = image_metadata(
                files.path, os=system, release=release, architecture=machine, image=one, progress=report
            )
            whole = replace(files, made=made)
            return whole, files.images.check(files.path, whole.metadata, progress=report)

        self._running = transfers.start(
            f"Make metadata of {files.name}",
            work,
            where=self._panel.where,
            result_text=lambda found: f"made for {short_fingerprint(found[1].fingerprint)}",
            on_end=lambda transfer: self._panel.actor.post(lambda: self._metadata_made(transfer, bare)),
        )
        self._set("checking", job=self._running.number)

    def _metadata_made(self, transfer: Transfer, bare: tuple[_Files, dict[str, Any]]) -> None:
        if transfer is not self._running or transfer.state == "cancelled":
            bare[0].remove()
            if transfer is self._running:
                self._set("refused", text=transfer.text)
        elif transfer.error is not None:
            self._bare = bare
            told = sentence(re.sub(r"choose one with \w+=", "name one below", transfer.text))
            self._set("checked", job=transfer.number, **{**bare[1], "problems": [told]})
        else:
            files, found = transfer.result
            if found.ok:
                self._checked = files
            else:
                files.remove()
            self._set("checked", job=transfer.number, **_view(found, files.made))

    def _upload(self, content: Mapping[str, Any]) -> None:
        files = self._checked
        if files is None:
            self.show()
            return
        if files.images.project != self._panel.images.project:
            self.close()
            return
        self._checked = None
        public = content.get("public") is True
        aliases = names_field(content, "aliases")

        def work(report: Report) -> Image:
            return files.images.create(
                files.path,
                public,
                wait=True,
                metadata=files.metadata,
                filename=files.name if files.second is None else None,
                aliases=aliases,
                progress=report,
            )

        self._running = transfers.start(
            f"Upload {files.name}",
            work,
            where=self._panel.where,
            result_text=lambda image: f"imported as {short_fingerprint(image.fingerprint)}",
            on_end=lambda transfer: self._panel.actor.post(lambda: self._upload_ended(transfer, files)),
        )
        self._set("uploading", job=self._running.number, name=display.sanitize(files.name, 100))

    def _upload_ended(self, transfer: Transfer, files: _Files) -> None:
        files.remove()
        if transfer is self._running:
            self._set("done" if transfer.error is None else "refused", text=transfer.text)
        if transfer.error is None:
            self._uploaded(transfer.result.record)


def _view(found: Preflight, made: ImageMetadata | None = None) -> dict[str, Any]:
    """Return the result of a check as a browser shows it.

    Args:
        made: metadata that were made for the file.
    """
    problems = [sentence(p) for p in found.problems]
    if found.needs_metadata:
        advice = f"; {MAKE_METADATA}", f" ({MAKE_METADATA})"
        problems = [sentence(p.replace(advice[0], "").replace(advice[1], "")) for p in found.problems]
    if found.exists:
        problems.append("This image is already on the server; there is nothing to upload.")
    if found.free is not None and found.free < found.needed:
        free, needed = formats.size(found.free), formats.size(found.needed)
        problems.append(f"The server has {free} free where it keeps images and needs {needed}.")
    kind = {"virtual-machine": "virtual machine", "container": "container"}.get(found.type, "determined by the server")
    facts = {
        "Fingerprint": found.fingerprint,
        "Kind": f"{found.kind}, {kind}",
        "Architecture": found.architecture or "determined by the server",
        "Size": formats.size(found.size),
        "Description": found.properties.get("description", ""),
    }
    notes = [sentence(n) for n in found.notes]
    if found.swapped:
        notes.append("The two files were given the other way round; they are sent in the right order.")
    shown = [(name, value) for name, value in facts.items() if not found.needs_metadata or name == "Size"]
    if made is not None:
        notes += made.notes
        shown = [(name, value) for name, value in shown if name not in ("Architecture", "Description")]
        shown += [(fact.name.replace("_", " ").capitalize(), f"{fact.value} ({fact.source})") for fact in made.facts]
    return {
        "facts": [{"name": name, "value": display.sanitize(value, 200)} for name, value in shown if value],
        "bare": found.needs_metadata,
        "problems": problems,
        "notes": notes,
        "ok": found.ok,
    }
