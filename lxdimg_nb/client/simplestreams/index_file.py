"""The index of a simplestreams server, which names its products files, and the paths in its files.

Source: simplestreams' index format as cloud-images.ubuntu.com and images.linuxcontainers.org use it.
"""

from __future__ import annotations

from lxdimg_nb.client.simplestreams.documents import parse_document
from lxdimg_nb.client.simplestreams.problems import Problems
from lxdimg_nb.errors import UnexpectedReplyError

__all__ = ["checked_path", "read_index"]


def read_index(content: bytes, problems: Problems, *, base: str = "") -> list[str]:
    """The paths of the products files with images.

    Args:
        problems: gets the files whose path cannot be followed.
        base: the path of the catalogue's address, `/releases`.

    Raises:
        UnexpectedReplyError: not an index of simplestreams, or none of its paths can be followed.
    """
    index = parse_document(content, "the simplestreams index").get("index")
    if not isinstance(index, dict):
        raise UnexpectedReplyError("this is no simplestreams index; check the address")
    found: dict[str, None] = {}
    first = ""
    for name, entry in index.items():
        if not isinstance(entry, dict):
            problems.add(f"{name}: an entry of the index that is no object")
        elif entry.get("datatype") == "image-downloads" and entry.get("products") != []:
            path, why = checked_path(entry.get("path"), base)
            if path:
                found.setdefault(path)
            else:
                first = first or f"the simplestreams index names a products file that cannot be read: {why}"
                problems.add(f"{name}: {why}")
    if first and not found:
        raise UnexpectedReplyError(first)
    return list(found)


def checked_path(value: object, base: str = "") -> tuple[str, str]:
    """A path below the catalogue's address, without `.`, `..` and doubled slashes; or empty, and what is wrong.

    As in lxc and incus a leading slash means nothing, and `..` does not lead above the root of the server.

    Args:
        base: the path of the catalogue's address; the path may leave it only to come back.
    """
    if not isinstance(value, str) or not value:
        return "", "it has no path"
    if len(value) > 1024 or "\\" in value or not value.isprintable():
        return "", "its path makes no sense"
    if ":" in value.partition("/")[0]:
        return "", "its path leads to another server"
    own = [part for part in base.split("/") if part]
    parts = list(own)
    for part in value.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    if len(parts) <= len(own) or parts[: len(own)] != own:
        return "", "its path leads outside of the catalogue's address"
    return "/".join(parts[len(own) :]), ""
