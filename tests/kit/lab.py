"""A private JupyterLab and a headless Chromium for tests: notebooks whose cells are run as a person would.

One server serves a process, and one page all tests in a browser; each test opens a notebook of its own with a
kernel of its own.
Nothing of the machine's Jupyter settings is read or written.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.kit import leak_scan
from tests.kit.servers import RunningServer
from tests.kit.sockets import free_port
from tests.kit.waiting import until

# A kernel before subshells, for the notebooks that ask for it; `install_old_kernel` installs it.
OLD_KERNEL = "ipykernel6"
OLD_IPYKERNEL = ("ipykernel==6.31.0", "nest_asyncio==1.6.0")
OLD_FOLDER = Path(tempfile.gettempdir()) / f"lxdimg-{OLD_IPYKERNEL[0].replace('==', '-')}"
ROOT = Path(__file__).resolve().parents[2]
PLACE = "/tmp"
# How long something may take on a machine that is busy with other tests; what passes does not wait so long.
START_SECONDS = 120.0
WAIT = 90_000  # milliseconds
SLOW = 45_000
expect.set_options(timeout=SLOW)
_numbers = itertools.count(1)

FIND = "const w = [...window.jupyterapp.shell.widgets('main')].find(w => w.context && w.context.path === path);"
# The kernel of the notebook at hand is connected and has nothing to do.
READY = """path => {
  FIND
  const kernel = w && w.context.sessionContext.session && w.context.sessionContext.session.kernel;
  return Boolean(kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle'
    && w.content.widgets.length);
}""".replace("FIND", FIND)
RUN = """([path, at]) => {
  FIND
  window.jupyterapp.shell.activateById(w.id);
  w.content.deselectAll();
  w.content.activeCellIndex = at;
  window.jupyterapp.commands.execute('notebook:run-cell');
}""".replace("FIND", FIND)
DONE = """([path, at]) => {
  FIND
  const cell = w.content.widgets[at];
  return cell.model.executionCount !== null && cell.model.executionState !== 'running'
    && cell.promptNode.innerText.indexOf('*') < 0;
}""".replace("FIND", FIND)
CLOSE = """async path => {
  FIND
  if (!w) return;
  await w.context.sessionContext.shutdown();
  w.context.model.dirty = false;
  w.close();
}""".replace("FIND", FIND)


def sleep_until(file: Path) -> str:
    """A cell that runs until there is a file."""
    return f"import pathlib, time\nwhile not pathlib.Path({str(file)!r}).exists(): time.sleep(0.05)"


class Notebook:
    """An open notebook: its cells are run, its outputs looked at."""

    def __init__(self, lab: Lab, path: str) -> None:
        self.lab = lab
        self.page = lab.page
        self.path = path

    @property
    def file(self) -> Path:
        """The notebook on disk, as it was saved last."""
        return self.lab.folder / self.path

    def run(self, at: int, *, wait: bool = True) -> Locator:
        """Run a cell; returns its output.

        Args:
            wait: until it has run; otherwise it may still be running.
        """
        self.page.evaluate(RUN, [self.path, at])
        if wait:
            self.page.wait_for_function(DONE, arg=[self.path, at], timeout=WAIT)
        return self.output(at)

    def running(self, at: int) -> bool:
        """Whether a cell is still running."""
        return not self.page.evaluate(DONE, [self.path, at])

    def output(self, at: int) -> Locator:
        """What stands below a cell."""
        return (
            self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell")
            .nth(at)
            .locator(".jp-Cell-outputArea")
        )

    def panel(self, at: int, *, timeout: int = WAIT) -> Locator:
        """Our panel below a cell, once it has heard of its kernel."""
        panel = self.output(at).locator(".lxi-panel")
        try:
            panel.locator(".lxi-header").wait_for(timeout=timeout)
        except PlaywrightTimeoutError as error:
            shown = self.output(at).inner_text()[-2000:]
            raise AssertionError(f"no panel came, but: {shown}; console: {self.lab.complaints[-5:]}") from error
        return panel

    def sources(self) -> list[str]:
        """What the cells hold."""
        found: list[str] = self.page.evaluate(
            f"path => {{ {FIND} return w.content.widgets.map(cell => cell.model.sharedModel.getSource()); }}",
            self.path,
        )
        return found

    def save(self) -> None:
        """Write the notebook to its file."""
        self.page.evaluate(
            f"path => {{ {FIND} return w.context.save(); }}",
            self.path,
        )

    def restart_kernel(self) -> None:
        """Restart the kernel, as from the menu."""
        self.page.evaluate(
            f"path => {{ {FIND} return w.context.sessionContext.session.kernel.restart(); }}",
            self.path,
        )
        self.page.wait_for_function(READY, arg=self.path, timeout=WAIT)

    def close(self) -> None:
        """Close it and end its kernel."""
        with contextlib.suppress(Exception):
            self.page.evaluate(CLOSE, self.path)


class Lab:
    """A JupyterLab server in a folder of its own, and one page on it."""

    def __init__(self, folder: Path, page: Page, url: str) -> None:
        self.folder = folder
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.complaints.append(str(e)))
        page.on("dialog", lambda d: d.accept())

    def load(self) -> None:
        """Load the page, with no notebook open."""
        self.page.goto(f"{self.url}&reset", timeout=WAIT)
        self.page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored", timeout=WAIT)
        self.page.evaluate("() => window.jupyterapp.restored")
        self.page.locator(".jp-Launcher, .jp-NotebookPanel").first.wait_for(timeout=WAIT)

    def notebook(self, cells: Sequence[str], *, kernel: str = "python3") -> Notebook:
        """Make a notebook of these code cells and open it, with its kernel ready."""
        opened = Notebook(self, written(self.folder, cells, kernel=kernel))
        self.open(opened)
        return opened

    def open(self, book: Notebook) -> None:
        """Open a notebook that is there, and wait for its kernel."""
        self.page.evaluate("path => { window.jupyterapp.commands.execute('docmanager:open', {path}) }", book.path)
        self.page.wait_for_function(READY, arg=book.path, timeout=WAIT)

    @contextlib.contextmanager
    def another(self, book: Notebook) -> Iterator[Notebook]:
        """An open notebook in a second tab, with the same kernel."""
        browser = self.page.context.browser
        assert browser is not None
        page = browser.new_page(viewport=self.page.viewport_size)
        tab = Lab(self.folder, page, self.url)
        tab.load()
        again = Notebook(tab, book.path)
        tab.open(again)
        yield again
        page.close()

    @contextlib.contextmanager
    def classic(self, cells: Sequence[str]) -> Iterator[Notebook]:
        """A notebook of these cells in the page that Notebook 7 has for each."""
        browser = self.page.context.browser
        assert browser is not None
        page = browser.new_page(viewport=self.page.viewport_size)
        book = Notebook(Lab(self.folder, page, self.url), written(self.folder, cells))
        page.goto(self.url.replace("/lab?", f"/notebooks/{book.path}?"), timeout=WAIT)
        page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored", timeout=WAIT)
        page.wait_for_function(READY, arg=book.path, timeout=WAIT)
        yield book
        book.close()
        page.close()

    def theme(self, name: str) -> None:
        """`light` or `dark`."""
        full = f"JupyterLab {name.capitalize()}"
        self.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", full)
        wanted = "true" if name == "light" else "false"
        self.page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{wanted}'", timeout=WAIT)
        self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=WAIT)


class Books:
    """The notebooks of one test."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.opened: list[Notebook] = []

    def notebook(self, cells: Sequence[str], *, kernel: str = "python3") -> Notebook:
        """Make a notebook of these code cells and open it."""
        book = self.lab.notebook(cells, kernel=kernel)
        self.opened.append(book)
        return book

    def browser(self, server: RunningServer, *more: str) -> tuple[Notebook, Locator]:
        """A notebook whose first cell shows the panel of a server, and that panel with its list."""
        first = f"import lxdimg_nb\nclient = lxdimg_nb.connect({server.url!r})\npanel = client.images.panel()\npanel"
        book = self.notebook([first, *more])
        book.run(0)
        panel = book.panel(0)
        panel.locator("tbody tr, .lxi-empty:not(.lxi-waiting)").first.wait_for()
        return book, panel


def written(folder: Path, cells: Sequence[str], *, kernel: str = "python3") -> str:
    """Write a notebook of these code cells; returns its name."""
    path = f"test-{next(_numbers)}.ipynb"
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata={"kernelspec": {"name": kernel, "display_name": kernel}},
    )
    nbformat.write(book, folder / path)
    return path


def opened(panel: Locator, fingerprint: str) -> Locator:
    """The detail of an image, after a click on its name."""
    panel.locator(f'tr[data-key$="{fingerprint}"] .lxi-name').click()
    detail = panel.locator(".lxi-detail")
    expect(detail).to_contain_text(fingerprint, timeout=SLOW)
    return detail


def install_old_kernel() -> str | None:
    """Install an ipykernel before 7 beside the other one, once a machine; returns why it cannot be had, or None."""
    if OLD_FOLDER.is_dir():
        return None
    with tempfile.TemporaryDirectory(dir=OLD_FOLDER.parent) as folder:
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run([*pip, "--target", f"{folder}/new", *OLD_IPYKERNEL], capture_output=True, check=False)
        if done.returncode != 0:
            return f"{OLD_IPYKERNEL[0]} cannot be had: {done.stderr.decode()[-500:]}"
        # Another worker of pytest-xdist may have been quicker.
        with contextlib.suppress(OSError):
            Path(folder, "new").rename(OLD_FOLDER)
    return None


@contextlib.contextmanager
def running_lab(chromium: str, *, width: int = 1400, height: int = 1000) -> Iterator[Lab]:
    """A page on this process' JupyterLab.

    Args:
        chromium: the browser's path.
        width, height: of the window, in pixels.
    """
    notebooks, url = lab_server(PLACE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page(viewport={"width": width, "height": height})
        made = Lab(notebooks, page, url)
        made.load()
        try:
            yield made
        finally:
            browser.close()


@functools.cache
def lab_server(place: str) -> tuple[Path, str]:
    """The folder of the notebooks and the address of a JupyterLab, started once and ended with this process.

    Args:
        place: its files, and those that browsers send, lie in a folder below.
    """
    folder = Path(tempfile.mkdtemp(prefix="lxi-lab-", dir=place))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    leak_scan.startup(folder / "ipython")
    leak_scan.roots.append(folder)
    process, url = _start(folder, notebooks)
    atexit.register(_stop, process)
    return notebooks, url


def _start(folder: Path, notebooks: Path) -> tuple[subprocess.Popen[bytes], str]:
    port, token = free_port(), secrets.token_hex(16)
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    # As an installation puts it below etc/jupyter: what turns our extension of the server on.
    shipped = folder / "config" / "jupyter_server_config.d"
    shipped.mkdir(parents=True)
    shutil.copy(ROOT / "lxdimg_nb" / "panels" / "upload" / "jupyter_server_config.json", shipped / "lxdimg_nb.json")
    old = folder / "data" / "kernels" / OLD_KERNEL
    old.mkdir(parents=True)
    run = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": run, "display_name": OLD_KERNEL, "language": "python"}
    (old / "kernel.json").write_text(json.dumps(spec | {"env": {"PYTHONPATH": f"{OLD_FOLDER}:{ROOT}"}}))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "IPYTHON", "LXD_", "INCUS_"))}
    environment |= {
        "HOME": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYTHONPATH": str(ROOT),
        "LXDIMG_SPOOL": str(folder / "spool"),
    }
    log = (folder / "lab.log").open("wb")
    with log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
                f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True",
                "--JupyterNotebookApp.expose_app_in_browser=True",
                "--ServerApp.port_retries=0", "--KernelManager.transport=ipc",
                f"--ServerApp.root_dir={notebooks}",
            ],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    base = f"http://127.0.0.1:{port}"
    if not until(lambda: process.poll() is not None or _answers(f"{base}/api?token={token}"), timeout=START_SECONDS):
        _stop(process)
        raise RuntimeError(f"JupyterLab does not come up: {(folder / 'lab.log').read_text()[-2000:]}")
    if process.poll() is not None:
        raise RuntimeError(f"JupyterLab ended: {(folder / 'lab.log').read_text()[-2000:]}")
    return process, f"{base}/lab?token={token}"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - ours
            return bool(reply.status == 200)
    except OSError:
        return False


def _stop(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)
    # Kernels are in its session, too.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
