"""axe-core, which finds what screen readers and keyboards stumble over."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from tests.kit import node

AXE = "axe-core@4"


def script() -> str | None:
    """axe-core's script, from npm, kept for the next time; None where it cannot be had."""
    kept = Path(tempfile.gettempdir()) / "lxdimg-axe-core.js"
    if not kept.is_file():
        npm = node.npm()
        if npm is None:
            return None
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            done = subprocess.run([npm, "pack", "--silent", AXE], cwd=folder, capture_output=True, check=False)
            packs = list(Path(folder).glob("axe-core-*.tgz"))
            if done.returncode != 0 or not packs:
                return None
            with tarfile.open(packs[0]) as pack:
                member = pack.extractfile("package/axe.min.js")
                assert member is not None
                Path(folder, "new").write_bytes(member.read())
            Path(folder, "new").rename(kept)
    return kept.read_text()


def findings(page: Page, axe: str, within: str = ".lxi", *, colours: bool = False) -> list[str]:
    """What it finds in our panels or elsewhere in the page, in words; with `colours` only what a theme changes."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(axe)
    options = {"resultTypes": ["violations"]} | ({"runOnly": ["color-contrast"]} if colours else {})
    result = page.evaluate("([within, options]) => axe.run(within, options)", [within, options])
    return [f"{v['id']} ({v['impact']}): {v['nodes'][0]['html'][:200]}" for v in result["violations"]]
