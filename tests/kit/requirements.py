"""The distributions that requirements lead to, as they are installed here."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = "lxdimg-nb"


def closure(wanted: Iterable[str]) -> list[metadata.Distribution]:
    """What requirements ask for and what that needs, without our own package.

    Raises:
        AssertionError: a requirement is not met here.
    """
    found: dict[str, metadata.Distribution] = {}
    seen = set()
    queue = [Requirement(line) for line in wanted]
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        found[name] = distribution = metadata.distribution(name)
        assert requirement.specifier.contains(distribution.version, prereleases=True), f"not installed: {requirement}"
        for extra in {"", *requirement.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                further = map(Requirement, distribution.requires or ())
                queue += [one for one in further if one.marker is None or one.marker.evaluate({"extra": extra})]
    return [distribution for name, distribution in found.items() if name != OURS]
