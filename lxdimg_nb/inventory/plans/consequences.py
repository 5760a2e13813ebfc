"""What applying a plan has as consequences: who will see images, and what will be gone. Said before it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lxdimg_nb.inventory.plans.step import Step
from lxdimg_nb.text import display, formats

if TYPE_CHECKING:
    from lxdimg_nb.client import Client

__all__ = ["consequences"]


def consequences(steps: Sequence[Step], clients: Mapping[str, Client]) -> list[str]:
    """Sentences on what the steps of a plan do that is seen by others or cannot be undone.

    Args:
        steps: that will be applied.
        clients: of the servers, by the plan's names; one that cannot be reached is missing.
    """
    deleted = [step for step in steps if step.action == "delete"]
    found = []
    if deleted:
        places = ", ".join(sorted({display.sanitize(step.server, 120) for step in deleted}))
        count, size = formats.plural(len(deleted), "image"), formats.size(sum(step.size for step in deleted))
        found.append(f"{count} ({size}) will be gone from {places}, with the aliases. Instances made from them stay.")
    public = [step for step in steps if _makes_public(step)]
    for server, project in sorted({(step.server, step.project) for step in public}):
        if client := clients.get(server):
            count = formats.plural(sum(s.server == server and s.project == project for s in public), "image")
            where = f" on {display.sanitize(server, 120)}" if len(clients) > 1 else ""
            found.append(f"{count}{where} will be public. {client.info.public_warning(project)}")
    return found


def _makes_public(step: Step) -> bool:
    # A copy is as public as what it is copied from.
    return bool(step.expects.get("public") if step.action == "copy" else step.changes.get("public", (None, False))[1])
