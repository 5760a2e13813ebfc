"""Makes notebooks/panel.png: the panel of images in a real JupyterLab on the demo server, with one image open.

Run as `python -m tests.kit.picture [FILE]`, from the top of the checkout.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from lxdimg_nb import demo
from tests.kit.lab import WAIT, Lab, running_lab

FILE = Path(__file__).parents[2] / "notebooks" / "panel.png"
OPEN = "noble"
WIDTH = 1120  # of the panel; readers see the picture smaller than it is, so letters are drawn larger than that
SCALE = 1.25
CODE = """
import lxdimg_nb
client = lxdimg_nb.connect({url!r})
panel = client.images.panel()
panel
"""


def picture(file: Path, chromium: str, url: str) -> None:
    """Write the picture of the panel on this server.

    Args:
        file: to be written, a PNG.
        chromium: the browser's path.
        url: of the server; it has an image by the alias `OPEN`.
    """
    with running_lab(chromium) as first:
        lab = _sharp(first)
        lab.theme("light")
        book = lab.notebook([CODE.format(url=url).strip()])
        book.run(0)
        panel = book.panel(0)
        _widen(lab.page, round(WIDTH - panel.evaluate("e => e.getBoundingClientRect().width")))
        panel.locator("tbody tr", has_text=OPEN).first.locator(".lxi-name").click()
        detail = panel.locator(".lxi-detail")
        expect(detail.get_by_role("switch", name="Auto-update")).to_have_attribute("aria-checked", "true", timeout=WAIT)
        lab.page.evaluate("document.activeElement.blur()")
        lab.page.mouse.move(0, 0)
        box, end = panel.bounding_box(), panel.locator(".lxi-footer").bounding_box()
        assert box and end
        # The detail is longer than the list: the picture ends with the list.
        height = end["y"] + end["height"] - box["y"]
        shot = lab.page.screenshot(
            clip={"x": box["x"], "y": box["y"], "width": box["width"], "height": height}, animations="disabled"
        )
        book.close()
    # A panel has few colours: the file is less than half with a palette, and the rare ones (green, orange) stay.
    palette = Image.open(io.BytesIO(shot)).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE)
    palette.save(file, optimize=True)


def _sharp(lab: Lab) -> Lab:
    """The same JupyterLab in a page of more dots a pixel, tall enough for the whole panel, and nothing beside it."""
    browser = lab.page.context.browser
    assert isinstance(browser, Browser)
    page = browser.new_page(viewport={"width": WIDTH + 200, "height": 1600}, device_scale_factor=SCALE)
    sharp = Lab(lab.folder, page, lab.url)
    sharp.load()
    page.evaluate("window.jupyterapp.shell.collapseLeft()")
    return sharp


def _widen(page: Page, by: int) -> None:
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": size["width"] + by, "height": size["height"]})


def main() -> None:
    """Make the picture."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("Chromium is not installed (as root on Debian, tests/run installs it)")
    file = Path(sys.argv[1]) if sys.argv[1:] else FILE
    with demo.start() as server:
        picture(file, chromium, server.url)
    print(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
