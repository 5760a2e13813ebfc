"""metadata.yaml of an image: reading it with limits, and what a server would refuse about it."""

from __future__ import annotations

import math
import tarfile
from collections.abc import Mapping
from typing import Any

from lxdimg_nb.values.architecture import kernel_architecture

__all__ = ["check_metadata", "read_metadata"]

# Servers take no more, and 200 MB of YAML take a daemon down (CVE-2026-41648); this process must not follow.
MAX_SIZE = 1024 * 1024


def read_metadata(tar: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[dict[str, Any], list[str]]:
    """The content of metadata.yaml, empty when it cannot be read, and what is wrong with it."""
    import yaml

    if not member.isfile():
        return {}, ["metadata.yaml is no ordinary file"]
    if member.size > MAX_SIZE:
        return {}, [f"metadata.yaml has {member.size} bytes; servers take {MAX_SIZE}"]
    file = tar.extractfile(member)
    assert file is not None
    try:
        data = yaml.safe_load(file.read(MAX_SIZE + 1))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return {}, [f"metadata.yaml is no YAML: {' '.join(str(error).split())[:200]}"]
    if _expanded_size(data, {}) > MAX_SIZE:
        # A few lines of aliases to aliases are gigabytes once written out. Go's YAML refuses them, too.
        return {}, ["metadata.yaml repeats itself by references more often than servers take"]
    if not isinstance(data, dict):
        return {}, ["metadata.yaml holds no mapping"]
    return data, check_metadata(data)


def check_metadata(metadata: Mapping[str, Any]) -> list[str]:
    """What a server would refuse about the content of metadata.yaml."""
    problems = []
    architecture = metadata.get("architecture")
    if not kernel_architecture(str(architecture)):
        problems.append(f"metadata.yaml: architecture {architecture!r} is not known to servers")
    date = metadata.get("creation_date")
    if not isinstance(date, int) or isinstance(date, bool) or date == 0:
        problems.append("metadata.yaml: creation_date is missing; it must be seconds since 1970, not 0")
    return problems


def _expanded_size(node: object, known: dict[int, float]) -> float:
    """The number of values in a document with its aliases written out; infinite where one holds itself."""
    if not isinstance(node, dict | list | set | tuple):
        return 1
    if id(node) not in known:
        known[id(node)] = math.inf
        inner = [*node.keys(), *node.values()] if isinstance(node, dict) else node
        known[id(node)] = 1 + sum(_expanded_size(item, known) for item in inner)
    return known[id(node)]
