"""A headless Chromium over the bare DevTools protocol, and notebooks in a JupyterLab that it shows.

Playwright has the browser send it a copy of every websocket frame, which is what is measured here; so this knows
the domains Page, Runtime, DOM and Emulation only.

Source: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from websocket import WebSocket, WebSocketTimeoutException, create_connection

from tests.kit import lab
from tests.kit.waiting import until

__all__ = ["Book", "Page", "browser"]

SECONDS = 60.0

# Before any script of the page: counts what its websockets carry. A piece of a file is a frame of more than half a
# MiB; an acknowledgement is our panel's `got`. Only the pieces' sizes are looked at, and the text of short answers.
_COUNT = """(() => {
  const wire = window.__wire = {received: 0, messages: 0, sent: 0, sending: 0, pieces: 0, largest: 0, open: 0, most: 0};
  const size = data => typeof data === 'string' ? new Blob([data]).size : data.byteLength ?? data.size;
  const heard = event => {
    const bytes = size(event.data);
    wire.received += bytes;
    wire.messages += 1;
    if (wire.open && bytes < 4096 && event.data.byteLength && new TextDecoder().decode(event.data).includes('"got"'))
      wire.open -= 1;
  };
  const Native = window.WebSocket;
  window.WebSocket = class extends Native {
    constructor(...given) {
      super(...given);
      this.addEventListener('message', heard);
    }
    send(data) {
      const bytes = size(data);
      wire.sent += bytes;
      wire.sending += 1;
      if (bytes > 1 << 19) {
        wire.pieces += 1;
        wire.largest = Math.max(wire.largest, bytes);
        wire.open += 1;
        wire.most = Math.max(wire.most, wire.open);
      }
      super.send(data);
    }
  };
})()"""
# When the page comes to show something, by the clock that Python's time.time() reads, too.
_SEEN = """window.__seen = test => new Promise(resolve => {
  const look = () => {
    if (!test()) return;
    observer.disconnect();
    resolve(Date.now());
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
  look();
})"""


class Page:
    """The browser's one page."""

    def __init__(self, address: str) -> None:
        self._line: WebSocket = create_connection(address, timeout=SECONDS, suppress_origin=True)
        self._numbers = itertools.count(1)
        self.call("Page.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.call("Page.addScriptToEvaluateOnNewDocument", source=_COUNT)

    def call(self, method: str, *, seconds: float = SECONDS, **given: Any) -> Any:
        """One command of the protocol and its answer; the events between them are passed over."""
        number = next(self._numbers)
        self._line.settimeout(seconds)
        self._line.send(json.dumps({"id": number, "method": method, "params": given}))
        while True:
            try:
                answer = json.loads(self._line.recv())
            except WebSocketTimeoutException as error:
                raise RuntimeError(f"no answer to {method} {str(given)[:500]}") from error
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if answer.get("method") == "Page.javascriptDialogOpening":
                self._line.send(
                    json.dumps({"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}})
                )

    def run(self, script: str, *given: Any, seconds: float = SECONDS) -> Any:
        """The value of an expression; with arguments, of a function called with them. Promises are awaited."""
        text = f"({script})({', '.join(json.dumps(value) for value in given)})" if given else script
        answer = self.call(
            "Runtime.evaluate",
            seconds=seconds,
            expression=text,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{answer['exceptionDetails']} in {text[:500]}")
        return answer["result"].get("value")

    def until(self, script: str, *given: Any, seconds: float = SECONDS) -> None:
        """Wait for an expression, or a function's value, that is not false."""
        if not until(lambda: bool(self.run(script, *given)), timeout=seconds, every=0.1):
            raise RuntimeError(f"it never came: {script[:500]} {given}; shown: {self.shown()}")

    def seen(self, act: str, test: str, *, seconds: float = SECONDS) -> float:
        """Milliseconds from an act in the page until it shows what was waited for."""
        early = f"if ({test}) throw new Error('it was shown before');"
        script = f"const begin = Date.now(); {act}; return await __seen(() => {test}) - begin;"
        return float(self.run(f"(async () => {{ {early} {script} }})()", seconds=seconds))

    def expect(self, test: str) -> None:
        """Look out for something from now on; `came` tells when it was seen."""
        self.run(f"void (window.__expected = __seen(() => {test}))")

    def came(self, *, seconds: float = SECONDS) -> float:
        """When what was expected was seen, in seconds since 1970."""
        return float(self.run("window.__expected", seconds=seconds)) / 1000

    def wire(self) -> dict[str, int]:
        """What the page's websockets have carried since it was asked last."""
        found: dict[str, int] = self.run(
            "(() => { const was = {...__wire}; for (const name in __wire) __wire[name] = 0; return was; })()"
        )
        return found

    def choose(self, selector: str, file: Path) -> None:
        """Choose a file in an input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def shown(self) -> str:
        """The end of what the notebook shows, for a message."""
        return str(self.run("(document.querySelector('.jp-Notebook') || document.body).innerText"))[-1500:]

    def open_lab(self, url: str) -> None:
        """Load JupyterLab, with no notebook open."""
        self.call("Page.navigate", url=f"{url}&reset")
        self.until("Boolean(window.jupyterapp && window.jupyterapp.restored)")
        self.run("window.jupyterapp.restored.then(() => true)")
        self.until("Boolean(document.querySelector('.jp-Launcher, .jp-NotebookPanel'))")
        self.run(_SEEN)

    def close(self) -> None:
        """Hang up."""
        self._line.close()


class Book:
    """A notebook that is open in the page's JupyterLab."""

    def __init__(self, page: Page, folder: Path, cells: Sequence[str]) -> None:
        self.page = page
        self.path = lab.written(folder, cells)
        page.run("path => { window.jupyterapp.commands.execute('docmanager:open', {path}) }", self.path)
        page.until(lab.READY, self.path)

    def begin(self, at: int) -> None:
        """Run a cell without waiting for it."""
        self.page.run(lab.RUN, [self.path, at])

    def run(self, at: int, *, seconds: float = SECONDS) -> str:
        """Run a cell to its end; returns the text below it."""
        self.begin(at)
        self.page.until(lab.DONE, [self.path, at], seconds=seconds)
        return str(self.page.run(f"{self.output(at)}.innerText"))

    def output(self, at: int) -> str:
        """An expression: what stands below a cell."""
        cells = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell"
        return f"document.querySelectorAll({cells!r})[{at}].querySelector('.jp-Cell-outputArea')"

    def close(self) -> None:
        """Close it and end its kernel."""
        self.page.run(lab.CLOSE, self.path)


@contextlib.contextmanager
def browser(program: str) -> Iterator[Page]:
    """A Chromium of our own with an empty profile, ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="lxi-chromium-", dir="/tmp"))
    process = subprocess.Popen(
        [
            program, "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--window-size=1400,1000", "--remote-debugging-port=0",
            f"--user-data-dir={folder}", "about:blank",
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        page = Page(_address(folder / "DevToolsActivePort", process))
        try:
            yield page
        finally:
            page.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(15)
        shutil.rmtree(folder, ignore_errors=True)


def _address(told: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the page is spoken to, once the browser has said on which port."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            port = int(told.read_text().splitlines()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=5) as reply:
                pages = [target for target in json.load(reply) if target["type"] == "page"]
            return str(pages[0]["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise RuntimeError("the browser does not come up")
