"""The images of a simplestreams catalogue, and the aliases that point at them."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator

from lxdimg_nb.client.simplestreams.products import Build
from lxdimg_nb.values import ImageRecord
from lxdimg_nb.values.architecture import kernel_architecture

__all__ = ["Catalogue"]


class Catalogue:
    """Every image, newest first within a product, with aliases that point at the newest of each kind.

    An alias is looked up by (name, architecture, type), as servers do. The bare name is for the images of this
    machine's architecture, `name/amd64` is for any.

    Args:
        problems: texts about what is not an image.
        left_out: how many there are of these.
    """

    def __init__(
        self, builds: Iterable[Build], *, default_os: str = "", problems: Iterable[str] = (), left_out: int = 0
    ) -> None:
        self.problems = tuple(problems)
        self.left_out = left_out
        self.builds: dict[str, Build] = {}
        self._names: dict[str, dict[tuple[str, str], str]] = {}
        self._own = kernel_architecture(platform.machine().lower())
        shown: dict[str, dict[str, None]] = {}
        for build in _ordered(builds):
            # Several products may offer the same image, each with aliases of its own.
            self.builds.setdefault(build.fingerprint, build)
            shown.setdefault(build.fingerprint, {}).update(dict.fromkeys(self._named(build, default_os)))
        self.records = {
            fingerprint: ImageRecord(
                build.raw | {"aliases": [{"name": name, "description": ""} for name in shown[fingerprint]]}
            )
            for fingerprint, build in self.builds.items()
        }

    def _named(self, build: Build, default_os: str) -> Iterator[str]:
        """Make the aliases of a build known that a newer one does not have; the names to show at it."""
        kind = (build.raw["architecture"], build.raw["type"])
        for alias in build.aliases:
            bare = alias.removeprefix(f"{default_os}/") if default_os else alias
            for name in (bare, f"{bare}/{build.raw['properties']['architecture']}"):
                # The first one is the newest; older builds get no name.
                first = self._names.setdefault(name, {}).setdefault(kind, build.fingerprint) == build.fingerprint
                if first and name and (name != bare or kind[0] == self._own):
                    yield name

    def target(self, name: str, *, architecture: str = "", type: str = "") -> str:
        """The fingerprint that an alias points at; empty when there is no such alias.

        Args:
            architecture: kernel or distribution name; empty prefers this machine's.
            type: `container` or `virtual-machine`; empty prefers containers.
        """
        wanted = kernel_architecture(architecture) or architecture
        kinds = self._names.get(name, {})
        fitting = [
            (arch != self._own, kind != "container", arch, fingerprint)
            for (arch, kind), fingerprint in kinds.items()
            if wanted in ("", arch) and type in ("", kind)
        ]
        return min(fitting)[3] if fitting else ""

    def alias_names(self) -> list[str]:
        """All aliases, sorted."""
        return sorted(self._names)


def _ordered(builds: Iterable[Build]) -> list[Build]:
    """Sorted by system, release and variant; within these, the newest first, then by architecture and preference."""
    found = sorted(builds, key=lambda b: (b.order[4], b.order[5], str(b.raw["filename"])))
    found.sort(key=lambda b: b.order[3], reverse=True)
    found.sort(key=lambda b: [(not text, text) for text in b.order[:3]])
    return found
