"""The Python peers' calls, made in a process of their own: `python -m tests.benchmarks.calls PEER SETTINGS`.

Reads one call a line and writes what it cost: connecting and importing are not part of it.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.benchmarks.measure import Cost


class Ours:
    """This package."""

    def __init__(self, url: str, **keywords: Any) -> None:
        import lxdimg_nb

        cert = keywords.get("cert")
        self._client = lxdimg_nb.connect(url, **({**keywords, "cert": tuple(cert)} if cert else keywords))
        self._live: Any = None

    def upload(self, path: str, metadata: str | None = None) -> str:
        self._client.images.create(Path(path), metadata=Path(metadata) if metadata else None, wait=True)
        return "checked and hashed"

    def duplicate(self, path: str) -> str:
        from lxdimg_nb.errors import ImageExistsError

        try:
            self._client.images.create(Path(path), wait=True)
        except ImageExistsError:
            return "refused before a byte is sent"
        raise RuntimeError("a duplicate was imported")

    def export(self, fingerprint: str, folder: str) -> str:
        made = self._client.images.get(fingerprint).export(folder)
        return f"verified, {made.received} bytes received"

    def interrupted(self, fingerprint: str, folder: str, share: float) -> str:
        def stop(progress: Any) -> None:
            if progress.done >= share * progress.total:
                raise KeyboardInterrupt

        try:
            self._client.images.get(fingerprint).export(folder, progress=stop)
        except KeyboardInterrupt:
            return "interrupted"
        raise RuntimeError("the export was not interrupted")

    def records(self) -> str:
        return f"{len(self._client.images.records())} images"

    def frame(self) -> str:
        return f"{len(self._client.images.df())} images"

    def follow(self) -> str:
        self._live = self._client.images.live()
        return f"{len(self._live)} images"

    def live(self) -> str:
        return f"{len(self._live.records())} images"

    def live_frame(self) -> str:
        return f"{len(self._live.df())} images"

    def close(self) -> str:
        if self._live is not None:
            self._live.close()
        self._client.close()
        return ""


class Pylxd:
    """pylxd over the unix socket."""

    def __init__(self, url: str) -> None:
        import pylxd

        self._client = pylxd.Client(endpoint=f"http+unix://{quote(url.removeprefix('unix://'), safe='')}")

    def upload(self, path: str, metadata: str | None = None) -> str:
        with open(path, "rb") as file:
            if metadata is None:
                self._client.images.create(file, wait=True)
            else:
                with open(metadata, "rb") as meta:
                    self._client.images.create(file, metadata=meta, wait=True)
        return ""

    def export(self, fingerprint: str, folder: str) -> str:
        with self._client.images.get(fingerprint).export() as file, open(f"{folder}/image", "wb") as target:
            shutil.copyfileobj(file, target)
        return "not verified"

    def records(self) -> str:
        # Reading one attribute is one more request an image.
        return f"{len([image.properties for image in self._client.images.all()])} images"

    def close(self) -> str:
        return ""


def _status(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise KeyError(key)


def measured(call: Any, arguments: dict[str, Any]) -> Cost:
    """What one call costs this process."""
    # Have the kernel forget the most that was held so far.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    note = call(**arguments)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Cost(wall, cpu, max(0.0, _status("VmHWM") - before), note)


def main() -> None:
    """Answer calls until the input ends."""
    peer = {"ours": Ours, "pylxd": Pylxd}[sys.argv[1]](**json.loads(sys.argv[2]))
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = vars(measured(getattr(peer, asked["call"]), asked["arguments"]))
        except Exception as error:  # noqa: BLE001 - told to the process that asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    peer.close()


if __name__ == "__main__":
    main()
