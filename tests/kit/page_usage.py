"""What a page of JupyterLab and its server hold: panels, models of widgets, listeners; processes and descriptors.

Everything is asked of the browser by the Chrome DevTools protocol, after garbage was collected.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import Any

import psutil

from tests.kit.lab import FIND, Notebook
from tests.kit.waiting import until

__all__ = ["PageUsage", "grown_page", "page_usage"]

MODELS = """async path => {
  FIND
  const renderer = w.content.rendermime.createRenderer('application/vnd.jupyter.widget-view+json');
  const manager = await renderer._manager.promise;
  renderer.dispose();
  return Object.keys(manager._models).length;
}""".replace("FIND", FIND)
ALLOWED = 1.05
ROOTS = "function() { return this.filter(element => element.className === 'lxi').length; }"


@dataclass(frozen=True)
class PageUsage:
    """What a page holds.

    Attributes:
        panels: roots of our panels that are in memory, in the document or not.
        keys: functions that hear every key of the page.
        models: widgets that the notebook at hand knows.
        descriptors: open file descriptors of the Jupyter server, which may be 5 % more: browsers open connections.
        kernels: processes that the Jupyter server has started.
        listeners: of all elements. For figures only, as the next two: JupyterLab 4.6 keeps some 2,300 listeners and
            1,050 nodes of each notebook that was closed, and 400 and 130 of each output, whatever was in it.
        nodes: elements and texts.
        heap: bytes of JavaScript.
    """

    panels: int
    keys: int
    models: int
    descriptors: int
    kernels: int
    listeners: int
    nodes: int
    heap: int

    def more_than(self, before: PageUsage) -> list[str]:
        """What is held more than before, a line each."""
        found = []
        for name in [field.name for field in fields(self)][:5]:
            now, then = getattr(self, name), getattr(before, name)
            if now > then * (ALLOWED if name == "descriptors" else 1):
                found.append(f"{name}: {now} where there were {then}")
        return found


def page_usage(book: Notebook) -> PageUsage:
    """Measure."""
    tab = book.page.context.new_cdp_session(book.page)
    for _ in range(2):
        tab.send("HeapProfiler.collectGarbage")
    tab.send("Performance.enable")
    metrics = {one["name"]: int(one["value"]) for one in tab.send("Performance.getMetrics")["metrics"]}
    window = _object(tab, "window")
    listeners = tab.send("DOMDebugger.getEventListeners", {"objectId": window})["listeners"]
    found = tab.send("Runtime.queryObjects", {"prototypeObjectId": _object(tab, "HTMLDivElement.prototype")})
    roots = tab.send(
        "Runtime.callFunctionOn",
        {"objectId": found["objects"]["objectId"], "functionDeclaration": ROOTS, "returnByValue": True},
    )
    tab.detach()
    server = jupyter_server()
    return PageUsage(
        panels=roots["result"]["value"],
        keys=sum(listener["type"] == "keydown" for listener in listeners),
        models=book.page.evaluate(MODELS, book.path),
        descriptors=server.num_fds(),
        kernels=len(server.children(recursive=True)),
        listeners=metrics["JSEventListeners"],
        nodes=metrics["Nodes"],
        heap=metrics["JSHeapUsedSize"],
    )


def _object(tab: Any, expression: str) -> str:
    return str(tab.send("Runtime.evaluate", {"expression": expression})["result"]["objectId"])


def jupyter_server() -> psutil.Process:
    """The JupyterLab that this process has started."""
    for child in psutil.Process(os.getpid()).children():
        if "jupyterlab" in child.cmdline():
            return child
    raise RuntimeError("this process has started no JupyterLab")


def grown_page(book: Notebook, before: PageUsage, *, timeout: float = 10.0) -> list[str]:
    """What the page and its server hold more than before, a line each, after some seconds for what is ending."""
    until(lambda: not page_usage(book).more_than(before), timeout=timeout, every=0.5)
    return page_usage(book).more_than(before)
