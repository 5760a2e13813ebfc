"""Drivers: one story about images, told through the client or through the command line of LXD or Incus.

What a driver returns is what its own reading verbs say; the server itself is asked through `driver.server`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import yaml

from lxdimg_nb import Client, Image, errors
from lxdimg_nb.client.files.folder_archive import pack_folder
from tests.kit.commandline import CommandLine
from tests.kit.servers import RunningServer

Facts = dict[str, Any]
"""An image as GET /1.0/images/{fingerprint} shows it."""


class Driver(Protocol):
    """The verbs of `lxc image`, in one project of one server."""

    server: RunningServer
    project: str

    @property
    def newer(self) -> bool:
        """Whether it has what lxc 5.0.2 has not: reuse of aliases, all projects, descriptions of aliases."""

    @property
    def product(self) -> str:
        """`lxd` or `incus`: what the server is, or plays."""

    def within(self, project: str) -> Driver: ...
    def create(
        self,
        *files: Path,
        aliases: Sequence[str] = (),
        public: bool = False,
        properties: Mapping[str, str] | None = None,
        reuse: bool = False,
    ) -> str: ...
    def image(self, name: str) -> Facts: ...
    def images(self, *filters: str, everywhere: bool = False) -> list[Facts]: ...
    def edit(self, name: str, **fields: Any) -> None: ...
    def get_property(self, name: str, key: str) -> str: ...
    def set_property(self, name: str, key: str, value: str) -> None: ...
    def unset_property(self, name: str, key: str) -> None: ...
    def export(self, name: str, to: Path) -> list[Path]: ...
    def delete(self, *names: str) -> None: ...
    def refresh(self, name: str) -> None: ...
    def aliases(self) -> dict[str, str]: ...
    def add_alias(self, name: str, fingerprint: str, description: str = "") -> None: ...
    def rename_alias(self, name: str, new: str) -> None: ...
    def delete_alias(self, name: str) -> None: ...
    def copy(
        self,
        name: str,
        to: Driver,
        *,
        mode: str = "pull",
        aliases: Sequence[str] = (),
        copy_aliases: bool = False,
        public: bool = False,
        auto_update: bool = False,
    ) -> None: ...
    def publish(
        self,
        instance: str,
        *,
        aliases: Sequence[str] = (),
        public: bool = False,
        properties: Mapping[str, str] | None = None,
        compression: str = "",
        expires_at: str = "",
        reuse: bool = False,
        stop: bool = False,
    ) -> str: ...


REFUSED = (errors.LxdImageError, AssertionError)
"""What a driver raises where a server or the client refuses; the command line's exit status is asserted."""


def named(server: RunningServer, project: str, alias: str) -> str:
    """The fingerprint behind an alias, from the server itself."""
    return str(server.get(f"images/aliases/{alias.replace('/', '%2F')}?project={project}")["target"])


@dataclass
class ClientDriver:
    """Works through `lxdimg_nb.connect(…)`."""

    server: RunningServer
    client: Client
    project: str = "default"
    newer: bool = True

    @property
    def product(self) -> str:
        return str(self.client.info.product)

    def within(self, project: str) -> ClientDriver:
        return replace(self, client=self.client.in_project(project), project=project)

    def _image(self, name: str) -> Image:
        return self.client.images.get(name)

    def create(
        self,
        *files: Path,
        aliases: Sequence[str] = (),
        public: bool = False,
        properties: Mapping[str, str] | None = None,
        reuse: bool = False,
    ) -> str:
        if files[0].is_dir():
            with pack_folder(files[0]) as packed:
                return self.create(packed, aliases=aliases, public=public, properties=properties, reuse=reuse)
        metadata = files[0] if len(files) > 1 else None
        images = self.client.images
        made = images.create(
            files[-1],
            public,
            wait=True,
            metadata=metadata,
            properties=properties,
            aliases=() if reuse else aliases,
        )
        if reuse:
            for alias in aliases:
                images.aliases.point(alias, to=made)
        return made.fingerprint

    def image(self, name: str) -> Facts:
        return dict(self._image(name).record.raw)

    def images(self, *filters: str, everywhere: bool = False) -> list[Facts]:
        found = self.client.images.all(filter=" ".join(filters) or None, all_projects=everywhere)
        return [dict(image.record.raw) | {"project": image.project} for image in found]

    def edit(self, name: str, **fields: Any) -> None:
        image = self._image(name)
        for field, value in fields.items():
            setattr(image, field, value)
        image.update()

    def get_property(self, name: str, key: str) -> str:
        return self._image(name).properties[key]

    def set_property(self, name: str, key: str, value: str) -> None:
        image = self._image(name)
        image.properties[key] = value
        image.update()

    def unset_property(self, name: str, key: str) -> None:
        image = self._image(name)
        del image.properties[key]
        image.update()

    def export(self, name: str, to: Path) -> list[Path]:
        return list(self._image(name).export(to).paths)

    def delete(self, *names: str) -> None:
        for name in names:
            self._image(name).delete()

    def refresh(self, name: str) -> None:
        self._image(name).refresh()

    def aliases(self) -> dict[str, str]:
        return {alias.name: str(alias.target) for alias in self.client.images.aliases.all()}

    def add_alias(self, name: str, fingerprint: str, description: str = "") -> None:
        self.client.images.aliases.create(name, fingerprint, description=description)

    def rename_alias(self, name: str, new: str) -> None:
        self.client.images.aliases.rename(name, new)

    def delete_alias(self, name: str) -> None:
        self.client.images.aliases.delete(name)

    def copy(
        self,
        name: str,
        to: Driver,
        *,
        mode: str = "pull",
        aliases: Sequence[str] = (),
        copy_aliases: bool = False,
        public: bool = False,
        auto_update: bool = False,
    ) -> None:
        assert isinstance(to, ClientDriver)
        self._image(name).copy(
            to.client,
            mode=mode,
            aliases=aliases,
            copy_aliases=copy_aliases,
            public=public,
            auto_update=auto_update,
        )

    def publish(
        self,
        instance: str,
        *,
        aliases: Sequence[str] = (),
        public: bool = False,
        properties: Mapping[str, str] | None = None,
        compression: str = "",
        expires_at: str = "",
        reuse: bool = False,
        stop: bool = False,
    ) -> str:
        images = self.client.images
        made = images.publish(
            instance,
            aliases=() if reuse else aliases,
            public=public,
            properties=properties,
            compression=compression or None,
            expires_at=expires_at or None,
            stop=stop,
        )
        if reuse:
            for alias in aliases:
                images.aliases.point(alias, to=made)
        return made.fingerprint


@dataclass
class CommandDriver:
    """Works through `lxc` or `incus`; `remote` is the name of the server there, empty for its own."""

    server: RunningServer
    cli: CommandLine
    remote: str = ""
    project: str = "default"

    @property
    def newer(self) -> bool:
        return self.cli.program == "incus"

    @property
    def product(self) -> str:
        return "lxd" if self.cli.program == "lxc" else "incus"

    def __call__(self, *arguments: str, stdin: str | None = None, ok: bool = True) -> str:
        """Run a command in this project."""
        return self.cli(*arguments, "--project", self.project, stdin=stdin, ok=ok)

    def within(self, project: str) -> CommandDriver:
        return replace(self, project=project)

    def at(self, name: str = "") -> str:
        """A name with the remote before it."""
        return f"{self.remote}:{name}" if self.remote else name

    def create(
        self,
        *files: Path,
        aliases: Sequence[str] = (),
        public: bool = False,
        properties: Mapping[str, str] | None = None,
        reuse: bool = False,
    ) -> str:
        options = [word for alias in aliases for word in ("--alias", alias)]
        options += ["--public"] if public else []
        options += ["--reuse"] if reuse else []
        given = [f"{key}={value}" for key, value in (properties or {}).items()]
        target = [self.at()] if self.remote else []
        said = self("image", "import", *map(str, files), *target, *options, *given)
        return said.strip().rsplit(maxsplit=1)[-1]

    def image(self, name: str) -> Facts:
        info = self("image", "info", self.at(name))
        fingerprint = next(line.split()[1] for line in info.splitlines() if line.startswith("Fingerprint:"))
        (found,) = json.loads(self("image", "list", self.at(fingerprint), "--format", "json"))
        return dict(found)

    def images(self, *filters: str, everywhere: bool = False) -> list[Facts]:
        target = [self.at()] if self.remote else []
        options = ["--all-projects"] if everywhere else []
        return list(json.loads(self("image", "list", *target, *filters, *options, "--format", "json")))

    def edit(self, name: str, **fields: Any) -> None:
        shown = yaml.safe_load(self("image", "show", self.at(name)))
        shown["expires_at"] = shown["expires_at"].isoformat()
        self("image", "edit", self.at(name), stdin=yaml.safe_dump(shown | fields))

    def get_property(self, name: str, key: str) -> str:
        return self("image", "get-property", self.at(name), key).rstrip("\n")

    def set_property(self, name: str, key: str, value: str) -> None:
        self("image", "set-property", self.at(name), key, value)

    def unset_property(self, name: str, key: str) -> None:
        self("image", "unset-property", self.at(name), key)

    def export(self, name: str, to: Path) -> list[Path]:
        folder = to if to.is_dir() else to.parent
        before = set(folder.iterdir())
        self("image", "export", self.at(name), str(to))
        return sorted(set(folder.iterdir()) - before, key=lambda path: not path.name.startswith("meta-"))

    def delete(self, *names: str) -> None:
        self("image", "delete", *map(self.at, names))

    def refresh(self, name: str) -> None:
        self("image", "refresh", self.at(name))

    def aliases(self) -> dict[str, str]:
        target = [self.at()] if self.remote else []
        listed = json.loads(self("image", "alias", "list", *target, "--format", "json"))
        return {alias["name"]: alias["target"] for alias in listed}

    def add_alias(self, name: str, fingerprint: str, description: str = "") -> None:
        more = ["--description", description] if description else []
        self("image", "alias", "create", self.at(name), fingerprint, *more)

    def rename_alias(self, name: str, new: str) -> None:
        self("image", "alias", "rename", self.at(name), new)

    def delete_alias(self, name: str) -> None:
        self("image", "alias", "delete", self.at(name))

    def copy(
        self,
        name: str,
        to: Driver,
        *,
        mode: str = "pull",
        aliases: Sequence[str] = (),
        copy_aliases: bool = False,
        public: bool = False,
        auto_update: bool = False,
    ) -> None:
        assert isinstance(to, CommandDriver)
        options = ["--mode", mode, *(word for alias in aliases for word in ("--alias", alias))]
        wanted = (("--copy-aliases", copy_aliases), ("--public", public), ("--auto-update", auto_update))
        options += [option for option, given in wanted if given]
        options += ["--target-project", to.project]
        command = ("image", "copy", self.at(name), f"{to.remote or 'local'}:", *options)
        if self.newer or self.project == "default":
            self(*command)
            return
        # With a project for the target, lxc 5.0.2 forgets the one of the source.
        self.cli("project", "switch", self.at(self.project))
        self.cli(*command)
        self.cli("project", "switch", self.at("default"))

    def publish(
        self,
        instance: str,
        *,
        aliases: Sequence[str] = (),
        public: bool = False,
        properties: Mapping[str, str] | None = None,
        compression: str = "",
        expires_at: str = "",
        reuse: bool = False,
        stop: bool = False,
    ) -> str:
        options = [word for alias in aliases for word in ("--alias", alias)]
        wanted = (("--public", public), ("--reuse", reuse), ("--force", stop))
        options += [option for option, given in wanted if given]
        options += ["--compression", compression] if compression else []
        options += ["--expire", expires_at] if expires_at else []
        given = [f"{key}={value}" for key, value in (properties or {}).items()]
        target = [self.at()] if self.remote else []
        said = self("publish", self.at(instance), *target, *options, *given)
        return said.strip().rsplit(maxsplit=1)[-1]

    def rows(self, columns: str, *filters: str) -> list[list[str]]:
        """`image list --format csv`."""
        said = self("image", "list", *([self.at()] if self.remote else []), *filters, "-f", "csv", "-c", columns)
        return list(csv.reader(io.StringIO(said)))
