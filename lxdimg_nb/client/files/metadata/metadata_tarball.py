"""A metadata tarball that tells what is in it and where each value is from."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from lxdimg_nb.client.files.formats.metadata_yaml import is_date, parse_metadata
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.text.cells import Kind
from lxdimg_nb.text.tables import Table

__all__ = ["Fact", "ImageMetadata"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of an image's metadata.

    Attributes:
        name: a field of metadata.yaml, or a property.
        value: as text.
        source: where it is from: `given`, or the file or header that tells.
    """

    name: str
    value: str
    source: str


class ImageMetadata(bytes):
    """A metadata tarball, to be given as `metadata=`; it also tells what is in it.

    Attributes:
        facts: the values with where they are from.
        document: the content of metadata.yaml.
        image: the name by which one of several container images was chosen; None where there was no choice.
        notes: what is worth knowing before an instance is made.
    """

    facts: tuple[Fact, ...]
    document: Mapping[str, Any]
    image: str | None
    notes: tuple[str, ...]

    @classmethod
    def pack(
        cls,
        document: Mapping[str, Any],
        templates: Mapping[str, str],
        facts: Sequence[Fact],
        *,
        image: str | None = None,
        notes: Sequence[str] = (),
    ) -> ImageMetadata:
        """Write the tarball: the same bytes for the same content.

        Args:
            document: the content of metadata.yaml, but for `templates`.
            templates: the path of each file that servers write → its pongo2 template.
            facts, image, notes: as the attributes.

        Raises:
            InvalidRequestError: no server would take it.
        """
        names = _file_names(templates)
        if templates:
            entries = {
                path: {"when": ["create", "copy"], "create_only": False, "template": names[path], "properties": {}}
                for path in templates
            }
            document = {**document, "templates": entries}
        content = yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
        problems = parse_metadata(content.encode())[1]
        if problems:
            raise InvalidRequestError("no server would take these metadata: " + "; ".join(problems))
        files = {"metadata.yaml": content} | {f"templates/{names[path]}": text for path, text in templates.items()}
        made = cls(_tarball(files, int(document["creation_date"])))
        made.facts, made.document, made.image, made.notes = tuple(facts), document, image, tuple(notes)
        return made

    @property
    def architecture(self) -> str:
        """As servers name it."""
        return str(self.document["architecture"])

    @property
    def properties(self) -> dict[str, str]:
        """The image's properties."""
        return dict(self.document["properties"])

    def table(self) -> Table:
        """The values, each with where it is from."""
        rows = tuple((fact.name, fact.value, fact.source) for fact in self.facts)
        kinds = (Kind.LINE, Kind.PROSE, Kind.PROSE)
        return Table(("name", "value", "from"), rows, note=" ".join(self.notes), kinds=kinds)

    def __repr__(self) -> str:
        return str(self.table())

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return self.table().html()


def _file_names(paths: Mapping[str, str]) -> dict[str, str]:
    """A name in templates/ for each path, as distrobuilder's: `hosts.tpl`."""
    names: dict[str, str] = {}
    for path in paths:
        stem = re.sub(r"[^A-Za-z0-9.-]", "_", path.rpartition("/")[2]) or "file"
        taken = set(names.values())
        names[path] = next(
            name for i in range(len(paths)) if (name := f"{stem}{f'-{i}' if i else ''}.tpl") not in taken
        )
    return names


def _tarball(files: Mapping[str, str], moment: int) -> bytes:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", 9, buffer, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), 0o644, moment
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class _Dumper(yaml.SafeDumper):
    """Writes quotes also around what is a date for Go's YAML alone, such as `2024-1-2`."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if is_date(text) else None)


_Dumper.add_representer(str, _represent_text)
