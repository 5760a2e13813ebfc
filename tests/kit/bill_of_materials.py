"""The software bill of materials in the wheel: what is bundled, and what pip installs with it.

Run as `python -m tests.kit.bill_of_materials`, from the top of the checkout, when requirements or the bundle change.
"""

from __future__ import annotations

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.kit.requirements import OURS

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "lxdimg_nb.cdx.json"
LOCK = ROOT / "lxdimg_nb" / "panels" / "front" / "package-lock.json"


def bill() -> dict[str, Any]:
    """The bill as CycloneDX 1.6, without a time, so that the same sources give the same bytes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    components = [*_bundled(), *_required(project["dependencies"], "required")]
    for extra, requirements in project["optional-dependencies"].items():
        if extra not in ("test", "all"):
            components += _required(requirements, "optional", extra)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "library", "name": OURS, "bom-ref": OURS, "licenses": _license("Apache-2.0")}
        },
        "components": components,
        "dependencies": [{"ref": OURS, "dependsOn": sorted(component["bom-ref"] for component in components)}],
    }


def _license(expression: str) -> list[dict[str, Any]]:
    return [{"license": {"id": expression}}]


def _bundled() -> list[dict[str, Any]]:
    """The npm packages within the script of the panels; the others in the lock file only build and test it."""
    found = []
    for path, package in json.loads(LOCK.read_text())["packages"].items():
        if path and not package.get("dev"):
            name = path.removeprefix("node_modules/")
            algorithm, _, digest = package["integrity"].partition("-")
            assert algorithm == "sha512"
            found.append(
                {
                    "type": "library",
                    "name": name,
                    "version": package["version"],
                    "bom-ref": f"pkg:npm/{name}@{package['version']}",
                    "purl": f"pkg:npm/{name}@{package['version']}",
                    "hashes": [{"alg": "SHA-512", "content": base64.b64decode(digest).hex()}],
                    "licenses": _license(package["license"]),
                }
            )
    return found


def _required(lines: list[str], scope: str, extra: str = "") -> list[dict[str, Any]]:
    """Requirements of ours; pip chooses their versions, so the bill names ranges."""
    found = []
    for requirement in map(Requirement, lines):
        properties = [{"name": f"{OURS}:versions", "value": str(requirement.specifier)}]
        if extra:
            properties.append({"name": f"{OURS}:extra", "value": extra})
        found.append(
            {
                "type": "library",
                "name": requirement.name,
                "bom-ref": f"pkg:pypi/{requirement.name}{f'#{extra}' if extra else ''}",
                "purl": f"pkg:pypi/{requirement.name}",
                "scope": scope,
                "properties": properties,
            }
        )
    return found


def text() -> str:
    """The file's content."""
    return json.dumps(bill(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
