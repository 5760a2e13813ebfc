"""Everything that is shown as a table, made without a server and as of one moment, for pictures of all designs.

`python -m tests.kit.gallery` takes the reference pictures again, after a change of the design that was looked at.
"""

from __future__ import annotations

import base64
import io
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib import pyplot
from PIL import Image

import lxdimg_nb
from lxdimg_nb.client.verbs.write.check import Preflight
from lxdimg_nb.inventory.frame.inventory_table import inventory_table
from lxdimg_nb.inventory.history.difference import diff
from lxdimg_nb.inventory.plans.receipts import Outcome, Receipts
from lxdimg_nb.text.styled_frame import StyledFrame, frame_table
from lxdimg_nb.text.tables import Table
from lxdimg_nb.values import Alias, Change, ImageRecord, Operation, ServerInfo, image_table, images_table
from tests.kit.comparison import half
from tests.kit.hostile_text import HOSTILE
from tests.kit.inventories import NOW, days_ago, fingerprint, image, inventory
from tests.kit.lab import Books, Lab, running_lab

REFERENCES = Path(__file__).parents[1] / "browser" / "pictures"
_PLOTS = REFERENCES / "plots.png"
WIDTHS = (700, 1100, 1600)
THEMES = ("light", "dark")
CODE = "from IPython.display import HTML, display\nfrom tests.kit import gallery\ndisplay(HTML(gallery.page()))"
# Fonts that matplotlib brings along: the same on every machine.
_FONTS = {"DejaVuSans": ("lxdimg-test", 400), "DejaVuSans-Bold": ("lxdimg-test", 600), "DejaVuSansMono": ("mono", 400)}
_SETTLED = """width => {
  const {clientWidth: w, clientHeight: h} = document.querySelector(".jp-NotebookPanel .jp-OutputArea");
  const settled = window.lxdimgSize === `${w} ${h}` && w < width;
  window.lxdimgSize = `${w} ${h}`;
  return settled;
}"""
_SYSTEMS = (
    ("Ubuntu", "noble", "ubuntu/24.04"), ("Ubuntu", "focal", "ubuntu/20.04"), ("Debian", "bookworm", "debian/12"),
    ("Debian", "bookworm", ""), ("Debian", "bookworm", ""), ("Alpine", "3.18", "alpine/3.18"),
    ("Fedora", "40", "fedora/40"), ("Archlinux", "current", "a-rather-long-name-that-somebody-gave-to-an-image"),
)  # fmt: skip


def _images() -> list[dict[str, object]]:
    made: list[dict[str, object]] = []
    for i, (system, release, alias) in enumerate(_SYSTEMS):
        serial = f"202605{28 - i:02}_07:42"
        description = f"{system} {release} amd64 ({serial})" + ", with everything that a web server needs" * (i == 2)
        made.append(
            image(
                i, names=[alias] if alias else [], size=(3 << 20) * 7**i, uploaded_at=days_ago(3 * i * i),
                type="virtual-machine" if i == 6 else "container", public=i in (1, 5), auto_update=i == 0,
                expires_at=days_ago(20 - 15 * i) if i in (1, 2) else "1970-01-01T00:00:00Z",
                last_used_at=days_ago(i) if i % 2 else "0001-01-01T00:00:00Z",
                properties={"os": system, "release": release, "description": description, "serial": serial},
            )
        )  # fmt: skip
    return made


def tables() -> Iterator[Table]:
    """One of each."""
    df = inventory(*_images())
    used = df.assign(used_by=[["default/c1", "default/build-box/before-the-upgrade"], *[[] for _ in range(7)]])
    yield inventory_table(df, now=NOW)
    yield inventory_table(df.lxdimg.eol(on=NOW), now=NOW)
    yield inventory_table(df.lxdimg.expired(now=NOW), now=NOW)
    yield inventory_table(df[["filename", "size", "properties.os", "expires_at"]].head(3), now=NOW)
    yield frame_table(df.lxdimg.summary(), now=NOW)
    plan = lxdimg_nb.plan.prune(used, keep_last=1, unused_for="30D")
    yield plan.table()
    states = ("done", "skipped", "failed", "not tried")
    details = ("deleted", "changed since the plan was made: it has the alias web", "the server refuses: in use", "")
    steps = [plan.steps[i] for i in range(4)]
    yield Receipts.of([Outcome(*one) for one in zip(steps, states, details, strict=True)]).table()
    yield df.lxdimg.explain("ubuntu/20.04", now=NOW).table()
    later = [one for i, one in enumerate(_images()) if i != 3]
    later[0] = {**later[0], "public": True, "aliases": []}
    yield diff(df, inventory(*later)).table()
    servers = {
        "state": ["ok", "partial", "unreachable"],
        "error": ["", "12 of 3,000 images are missing", "https://oslo:8443 does not answer: connection refused"],
        "images": [8, 2988, 0],
        "seconds": [0.012, 12.5, 75.0],
    }
    yield frame_table(StyledFrame(servers, index=pd.Index(["berlin", "paris", "oslo"], name="server")), now=NOW)
    yield image_table(ImageRecord.from_json(_images()[1]), now=NOW)
    yield images_table([ImageRecord.from_json(one) for one in _images()[:3]], now=NOW)
    yield Alias("web", "what the web servers are made of", fingerprint(0), "container").table()
    yield Change(fingerprint(0), {"public": False}, {"public": True, "expires_at": NOW}).table()
    yield Operation("8f2c", "task", "Downloading", "Running", 103, "", True, {"download_progress": "37%"}, {}).table()
    yield ServerInfo("lxd", "5.0.2", "trusted", "default", False, addresses=("192.0.2.7:8443",)).table()
    problem = "metadata.yaml has no creation_date: LXD and Incus refuse the image"
    yield Preflight(fingerprint(9), "unified", "container", "x86_64", {"os": "Debian"}, 300, (problem,)).table()
    yield inventory_table(inventory(HOSTILE), now=NOW)
    many = [image(i, names=[f"web-{i}"], properties={"os": "Debian", "description": "a build"}) for i in range(50)]
    yield inventory_table(inventory(*many), now=NOW)


def page() -> str:
    """All of them as one output."""
    return "".join(table.html() for table in tables())


class Gallery:
    """The page in a JupyterLab, with fonts of our own."""

    def __init__(self, lab: Lab, books: Books) -> None:
        self.lab = lab
        self.output = books.notebook([CODE]).run(0)
        faces = []
        for name, (family, weight) in _FONTS.items():
            data = base64.b64encode(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf").read_bytes())
            source = f"url(data:font/ttf;base64,{data.decode()})"
            faces.append(f"@font-face{{font-family:{family};font-weight:{weight};src:{source}}}")
        rules = ".lxdimg,.lxdimg *{font-family:lxdimg-test!important}.lxdimg td.f{font-family:mono!important}"
        self._size = lab.page.viewport_size
        self._fonts = lab.page.add_style_tag(content="".join(faces) + rules)
        lab.page.evaluate("document.fonts.ready")
        lab.page.evaluate("window.jupyterapp.shell.collapseLeft()")

    def close(self) -> None:
        """Leave the page as it was."""
        self._fonts.evaluate("style => style.remove()")
        self.lab.theme("light")
        if self._size is not None:
            self.lab.page.set_viewport_size(self._size)
        self.lab.page.evaluate("window.jupyterapp.shell.expandLeft()")

    def spoil(self, rules: str) -> Callable[[], None]:
        """Add a stylesheet; returns what takes it away again."""
        style = self.lab.page.add_style_tag(content=rules)
        return lambda: style.evaluate("style => style.remove()")

    def picture(self, width: int, theme: str) -> Image.Image:
        """The output in a window of that width, at half its size."""
        self.lab.theme(theme)
        # Not over a row, which would be highlighted.
        self.lab.page.mouse.move(0, 0)
        self.lab.page.set_viewport_size({"width": width, "height": 7500})
        # Lab lays out a notebook again a moment after its window has another size.
        self.lab.page.wait_for_function(_SETTLED, arg=width, polling=250)
        shot = self.output.locator(".lxdimg").first.locator("xpath=..").screenshot(animations="disabled")
        return half(Image.open(io.BytesIO(shot)))


def plots() -> Image.Image:
    """All plots below each other, on a white page and on a dark one, at half their size."""
    frame = inventory(*_images()).assign(used_by=[["default/c1"], *[[] for _ in range(7)]])
    twins = [image(0, project=project, names=["same"]) for project in ("blue", "red")]
    fleet = inventory(*twins, *(image(i, project=f"{i}", names=["web"]) for i in (1, 2)), all_projects=True)
    plot = frame.lxdimg.plot
    drawn = []
    for ax in (plot.size(), plot.uploads(), plot.ages(now=NOW), plot.usage(now=NOW), fleet.lxdimg.plot.drift()):
        ax.figure.savefig(shot := io.BytesIO(), format="png", dpi=100)
        drawn.append(Image.open(shot).convert("RGBA"))
        pyplot.close(ax.figure)
    width, height = max(one.width for one in drawn), sum(one.height for one in drawn)
    sheet = Image.new("RGBA", (2 * width, height), "white")
    sheet.paste("#111111", (width, 0, 2 * width, height))
    top = 0
    for one in drawn:
        for left in (0, width):
            sheet.alpha_composite(one, (left, top))
        top += one.height
    return half(sheet)


def reference_of_plots() -> Image.Image:
    """The reference picture of `plots()`."""
    with Image.open(_PLOTS) as kept:
        return kept.convert("RGB")


def reference(width: int, theme: str) -> Image.Image:
    """A reference picture."""
    with Image.open(_file(width, theme)) as kept:
        return kept.convert("RGB")


def _file(width: int, theme: str) -> Path:
    return REFERENCES / f"tables-{width}-{theme}.png"


def main() -> None:
    """Take the reference pictures."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("Chromium is not installed (as root on Debian, tests/run installs it)")
    REFERENCES.mkdir(exist_ok=True)
    matplotlib.use("Agg")
    plots().quantize(64, method=Image.Quantize.MAXCOVERAGE).save(_PLOTS, optimize=True)
    print(f"{_PLOTS.name}: {_PLOTS.stat().st_size:,} bytes")
    with running_lab(chromium) as lab:
        gallery = Gallery(lab, Books(lab))
        for theme in THEMES:
            for width in WIDTHS:
                file = _file(width, theme)
                gallery.picture(width, theme).quantize(64, method=Image.Quantize.MAXCOVERAGE).save(file, optimize=True)
                print(f"{file.name}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
