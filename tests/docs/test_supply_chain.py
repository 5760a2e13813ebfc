"""What comes with the package: its bill of materials, and licences that Apache-2.0 goes together with."""

from __future__ import annotations

import re
from importlib import metadata

import pytest

from tests.kit import bill_of_materials
from tests.kit.requirements import closure

# MPL and LGPL hold for their own files; they are used as libraries, unchanged.
COMPATIBLE = re.compile(
    r"\b(MIT|MIT-0|MIT-CMU|BSD|BSD-[23]-Clause|0BSD|Apache|ISC|ISCL|PSF|Python Software Foundation|Zlib|CC0|HPND"
    r"|Unlicense|MPL|LGPL|Lesser General Public)\b"
)
INCOMPATIBLE = re.compile(
    r"\bAGPL|Affero|(?<!Lesser )General Public|(?<!L)GPL|SSPL|Commons Clause|CC-BY-NC|Proprietary"
)


def license_of(message: metadata.PackageMetadata, files: str = "") -> str:
    """What a distribution says of its licence: an expression, else classifiers, else words, else its licence file."""
    classifiers = [one for one in message.get_all("Classifier", []) if one.startswith("License")]
    said = [message.get("License-Expression"), "; ".join(classifiers), message.get("License"), files]
    return next((text for text in said if text), "")


def is_compatible(text: str) -> bool:
    """Whether one may distribute a library under this licence beside code under Apache-2.0."""
    first = text.strip()[:300]
    return bool(COMPATIBLE.search(first)) and not INCOMPATIBLE.search(first)


def test_the_bill_of_materials_is_what_the_project_asks_for() -> None:
    assert bill_of_materials.FILE.read_text() == bill_of_materials.text(), "python -m tests.kit.bill_of_materials"


def test_what_is_bundled_is_named_and_brings_its_licence() -> None:
    bundled = [one for one in bill_of_materials.bill()["components"] if one["purl"].startswith("pkg:npm/")]

    assert [one["name"] for one in bundled] == ["preact"]
    for one in bundled:
        license_file = bill_of_materials.ROOT / "licenses" / f"{one['name']}.txt"
        assert is_compatible(license_file.read_text())


def test_every_licence_that_pip_brings_goes_together_with_ours() -> None:
    found = {}
    for distribution in closure(["lxdimg-nb[all]"]):
        files = [f for f in distribution.files or () if re.search(r"LICEN[CS]E|COPYING", f.name)]
        text = license_of(distribution.metadata, files[0].read_text() if files else "")
        found[distribution.metadata["Name"]] = text

    assert {name: text[:200] for name, text in found.items() if not is_compatible(text)} == {}
    assert len(found) > 60


@pytest.mark.parametrize(
    ("text", "compatible"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)", True),
        ("LGPL-3.0-or-later", True),
        ("AGPL-3.0-only", False),
        ("License :: OSI Approved :: GNU Affero General Public License v3", False),
        ("License :: OSI Approved :: GNU General Public License v2 (GPLv2)", False),
        ("GPL-2.0-or-later", False),
        ("MIT AND GPL-3.0-only", False),
        ("", False),
        ("all rights reserved", False),
    ],
)
def test_a_licence_that_does_not_is_found(text: str, compatible: bool) -> None:
    assert is_compatible(text) is compatible
