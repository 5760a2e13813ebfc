"""The files of one or several tarballs laid over each other, as the tree that they make once they are unpacked.

It holds names, links and a few small files, not the content of the others.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator

from lxdimg_nb.client.files.inside.elf import ELF_HEADER
from lxdimg_nb.client.files.inside.file_system import MAX_PATH, resolve
from lxdimg_nb.client.files.inside.os_release import MAX_SIZE
from lxdimg_nb.errors import InvalidImageError

__all__ = ["FileTree", "Node"]

MAX_FILES = 1_000_000
# Characters of all names together.
MAX_NAMES = 128 * 1024 * 1024
MAX_NAME = 255
# Bytes of the small files that are kept.
MAX_KEPT = 2 * 1024 * 1024

_WHITEOUT = ".wh."
_META = ".wh..wh."
_OPAQUE = ".wh..wh..opq"
_KEPT = frozenset({"os-release", "hosts", "hostname"})
_DEVICES = (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)


class Node:
    """A file, which may have several names.

    Attributes:
        layer: number of the tarball that it is from; -1 for the root.
        number: of the member there; -1 for a folder that no member tells of.
        children: by name; None for what is no folder.
        target: where a symbolic link points; None for what is none.
        regular: whether it is a regular file.
        content: the beginning of a regular file, as far as it was kept.
    """

    __slots__ = ("children", "content", "layer", "number", "regular", "target")

    def __init__(self, layer: int, number: int = -1) -> None:
        self.layer, self.number = layer, number
        self.children: dict[str, Node] | None = None
        self.target: str | None = None
        self.regular = False
        self.content = b""

    @classmethod
    def folder(cls, layer: int, number: int = -1) -> Node:
        """An empty folder."""
        node = cls(layer, number)
        node.children = {}
        return node


class FileTree:
    """What tarballs unpack to, one over the other; a `FileSystem` of the beginnings of its programs and small files.

    Args:
        whiteouts: whether `.wh.NAME` removes NAME of the tarballs before.

    Attributes:
        newest: when the newest file was changed, in seconds since 1970.

    Source: OCI image specification, layer.md; containerd's archive/tar.go.
    """

    def __init__(self, *, whiteouts: bool) -> None:
        self.root = Node.folder(-1)
        self._whiteouts = whiteouts
        self.newest = 0
        self._files = self._names = self._kept = 0

    def add(self, layer: int, number: int, member: tarfile.TarInfo, read: Callable[[int], bytes]) -> None:
        """Lay a member of a tarball over what is there.

        Args:
            layer: the tarball's number; they come in ascending order.
            number: the member's number in it.
            read: reads the beginning of a regular file.

        Raises:
            InvalidImageError: a name with `..`, a link to nothing, more or longer names than any system has.
        """
        parts = self._parts(member.name)
        if not parts:
            if member.isdir():
                self.root.layer, self.root.number = layer, number
            return
        name = parts[-1]
        if self._whiteouts and name.startswith(_WHITEOUT):
            self._white_out(layer, parts[:-1], name, member.name)
            return
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk() or member.type in _DEVICES):
            return
        parent = self._folder(layer, parts[:-1], member.name)
        children = parent.children
        assert children is not None
        there = children.get(name)
        if member.isdir() and there is not None and there.children is not None:
            there.layer, there.number = layer, number
            return
        if member.islnk():
            linked = self._linked(member)
            # A link to itself is the file that is there.
            if there is not linked:
                children[name] = linked
            return
        self.newest = max(self.newest, int(member.mtime))
        node = children[name] = Node(layer, number)
        if member.isdir():
            node.children = {}
        elif member.issym():
            node.target = member.linkname
        elif member.isreg():
            node.regular = True
            node.content = self._beginning(name, member, read)

    def readlink(self, path: str) -> str | None:
        """Where a symbolic link points; None for what is none."""
        node = self.find(path)
        return node.target if node is not None else None

    def read(self, path: str, size: int) -> bytes | None:
        """The first bytes of a regular file, as far as they were kept; None for what is none."""
        node = self.find(path)
        return node.content[:size] if node is not None and node.regular else None

    def find(self, path: str) -> Node | None:
        """What lies at a path without symbolic links."""
        node: Node | None = self.root
        for part in path.split("/"):
            if node is None or node.children is None:
                return None
            node = node.children.get(part)
        return node

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Every path with its node, a folder before what is in it; the root is `.`."""
        yield ".", self.root
        waiting = [("", self.root)]
        while waiting:
            prefix, folder = waiting.pop()
            for name, node in (folder.children or {}).items():
                yield prefix + name, node
                if node.children is not None:
                    waiting.append((f"{prefix}{name}/", node))

    def programs(self) -> Iterator[str]:
        """The paths of programs whose first bytes were kept."""
        return (path for path, node in self.walk() if node.content.startswith(b"\x7fELF"))

    def _parts(self, name: str) -> list[str]:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        self._files += 1
        self._names += len(name)
        if self._files > MAX_FILES or self._names > MAX_NAMES:
            raise InvalidImageError(f"it has more than {MAX_FILES:,} files, or names of more than {MAX_NAMES:,} bytes")
        if ".." in parts:
            raise InvalidImageError(f"a file in it is named {name[:80]!r}, which leads out of its folder")
        if len(name) > MAX_PATH or any(len(part) > MAX_NAME for part in parts):
            raise InvalidImageError(f"a file in it has a name longer than any system takes: {name[:80]!r}")
        return parts

    def _white_out(self, layer: int, parents: list[str], name: str, whole: str) -> None:
        folder: Node | None = self._existing(parents)
        if folder is None or folder.children is None:
            return
        if name == _OPAQUE:
            _prune(folder, layer)
            return
        if name.startswith(_META):
            return
        hidden = name[len(_WHITEOUT) :]
        if hidden in ("", ".", ".."):
            raise InvalidImageError(f"a layer removes {whole[:80]!r}, which is no file's name")
        node = folder.children.get(hidden)
        if node is None:
            return
        if node.children is not None:
            _prune(node, layer)
        if node.layer < layer and not node.children:
            del folder.children[hidden]

    def _existing(self, parts: list[str]) -> Node | None:
        path = resolve(self, "/".join(parts))
        return self.root if path == "" else self.find(path) if path else None

    def _folder(self, layer: int, parts: list[str], whole: str) -> Node:
        """The folder at this path; folders that are missing are made, other files in the way give place."""
        there: Node | None = self.root
        for part in parts:  # as nearly always
            there = there.children.get(part) if there is not None and there.children is not None else None
        if there is not None and there.children is not None:
            return there
        path = resolve(self, "/".join(parts))
        if path is None:
            raise InvalidImageError(f"the links before {whole[:80]!r} lead in a circle")
        node = self.root
        for part in path.split("/") if path else ():
            assert node.children is not None
            inner = node.children.get(part)
            if inner is None or inner.children is None:
                self._files += 1
                inner = node.children[part] = Node.folder(layer)
            node = inner
        return node

    def _linked(self, member: tarfile.TarInfo) -> Node:
        parts = self._parts(member.linkname)
        folder = self._existing(parts[:-1])
        node = folder.children.get(parts[-1]) if parts and folder is not None and folder.children is not None else None
        if node is None or node.children is not None:
            raise InvalidImageError(
                f"{member.name[:80]!r} is a hard link to {member.linkname[:80]!r}, and that is no file in it"
            )
        return node

    def _beginning(self, name: str, member: tarfile.TarInfo, read: Callable[[int], bytes]) -> bytes:
        if self._kept >= MAX_KEPT:
            return b""
        if name.endswith("os-release") or name in _KEPT:
            content = read(MAX_SIZE)
        elif member.mode & 0o111 and member.size >= ELF_HEADER:
            content = read(ELF_HEADER)
            content = content if content.startswith(b"\x7fELF") else b""
        else:
            return b""
        if content:
            self._kept += len(content)
        return content


def _prune(folder: Node, layer: int) -> None:
    """Remove everything below a folder that is not of this layer."""
    # Each folder is visited before and after what is in it, so that one with something left stays.
    waiting: list[tuple[Node, bool]] = [(folder, False)]
    while waiting:
        node, seen = waiting.pop()
        children = node.children or {}
        if not seen:
            waiting.append((node, True))
            waiting += [(child, False) for child in children.values() if child.children is not None]
            continue
        for name in [n for n, child in children.items() if child.layer < layer and not child.children]:
            del children[name]
