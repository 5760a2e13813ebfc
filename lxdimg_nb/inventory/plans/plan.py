"""`Plan`: reviewed changes to images, applied later.

A plan is made from a frame and without a client, so making one cannot change anything. It is bound to the
servers of its frame; `apply` refuses others.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame.column_builders import text_array
from lxdimg_nb.inventory.frame.frame import InventoryFrame
from lxdimg_nb.inventory.plans.apply import Rules, apply_steps, clients_for
from lxdimg_nb.inventory.plans.consequences import consequences
from lxdimg_nb.inventory.plans.receipts import Outcome, Receipts
from lxdimg_nb.inventory.plans.step import KEEP, PlannedServer, Step
from lxdimg_nb.text import display, formats
from lxdimg_nb.text.styled_frame import frame_table
from lxdimg_nb.text.tables import Table
from lxdimg_nb.values.validation import checked_bool

if TYPE_CHECKING:
    from lxdimg_nb.client import Client
    from lxdimg_nb.inventory.fleet.fleet import Fleet

__all__ = ["Plan"]

MOST_ROWS = 200


class Plan:
    """Intended changes to images; displayed as a table, available as a frame, carried out by `apply`.

    Made by the functions of `lxdimg_nb.plan`.

    Attributes:
        kind: prune, set, alias, copy or publish.
        steps: one for each image, also those that are left alone.
        servers: the servers that the plan was made for, by name.
        project: the project that the plan was made for, `*` if there may be several.
        rules: evaluated again by `apply`; None if the plan has none.
        receipts: of the last `apply`; None before.
    """

    def __init__(
        self,
        kind: str,
        steps: Iterable[Step],
        servers: Mapping[str, PlannedServer],
        *,
        project: str = "*",
        rules: Rules | None = None,
    ) -> None:
        self.kind = kind
        self.steps = tuple(steps)
        self.servers = dict(servers)
        self.project = project
        self.rules = rules
        self.receipts: Receipts | None = None

    @property
    def actions(self) -> list[Step]:
        """The steps that change something."""
        return [step for step in self.steps if step.action != KEEP]

    def __len__(self) -> int:
        return len(self.actions)

    def __bool__(self) -> bool:
        return bool(self.actions)

    @property
    def bytes(self) -> int:
        """Bytes of the images to be changed; an image counts once a server, and once for all members of a cluster."""
        stores = {name: server.certificate or name for name, server in self.servers.items()}
        return sum({(stores.get(s.server, s.server), s.fingerprint): s.size for s in self.actions}.values())

    @property
    def frame(self) -> InventoryFrame:
        """A row a step, changes first: `action`, `alias`, `change`, `reason`, `protection`, `size`."""
        steps = sorted(self.steps, key=lambda step: step.action == KEEP)
        levels = ("server", "project", "fingerprint")
        index = pd.MultiIndex.from_arrays([text_array([getattr(s, n) for s in steps]) for n in levels], names=levels)
        made = InventoryFrame(
            {
                "action": pd.Categorical([step.action for step in steps]),
                "alias": text_array([step.alias or None for step in steps]),
                "change": text_array([step.words for step in steps]),
                "reason": text_array([step.reason for step in steps]),
                "protection": text_array([step.protection for step in steps]),
                "size": pd.array([step.size for step in steps], dtype="int64"),
            },
            index=index,
        )
        made.attrs = {"server": ", ".join(self.servers), "project": self.project}
        return made

    df = frame

    def without(self, *names: str) -> Plan:
        """The plan with some images left alone: by alias, fingerprint or its first 12 or more digits, or instance.

        Raises:
            InvalidRequestError: the plan has no such image.
        """
        steps = list(self.steps)
        for name in names:
            found = [i for i, step in enumerate(steps) if step.is_about(name)]
            if not found:
                raise InvalidRequestError(f"the plan has no image {name!r}")
            for i in found:
                steps[i] = replace(steps[i], action=KEEP, protection="left out by hand", changes={})
        return Plan(self.kind, steps, self.servers, project=self.project, rules=self.rules)

    def table(self) -> Table:
        """The plan as a table."""
        shown = pd.DataFrame(self.frame).reset_index()
        # What is done, to what, and why; where each image is only if they are not all in one place.
        kept = shown["action"] == KEEP
        shown["reason"] = shown["reason"].where(~kept, shown["protection"])
        places = [name for name in ("server", "project") if shown[name].nunique() > 1]
        says_more = any(step.words not in ("", step.action) for step in self.steps)
        names = ["alias", "reason", *(["change"] if says_more else []), "size", *places]
        # A plan is reviewed: what would be changed is shown before what stays, and not only both ends.
        rows = shown.set_index(["action", "fingerprint"])[names].head(MOST_ROWS)
        table = frame_table(rows, title=self.summary, whole=True)
        left = len(shown) - len(rows)
        return replace(table, note=f"and {left:,} more: plan.frame has all" if left > 0 else "")

    @property
    def summary(self) -> str:
        """One line: what would be done, to how much, and where."""
        counts = Counter(step.action for step in self.actions)
        words = [f"{formats.plural(count, 'image')} to {action}" for action, count in counts.items()]
        kept = len(self.steps) - len(self)
        parts = [", ".join(words) or "nothing to do", formats.size(self.bytes) if self else ""]
        parts += [f"{kept:,} left alone" if kept else "", self._where()]
        return display.sanitize(f"{self.kind}: " + " · ".join(part for part in parts if part), 400)

    def _where(self) -> str:
        pairs = sorted({(step.server, step.project) for step in self.actions})
        shown = [f"{server or 'a server without a name'}, project {project}" for server, project in pairs[:4]]
        return "; ".join(shown) + (" …" if len(pairs) > 4 else "")

    def __repr__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table().html()

    def apply(
        self,
        client: Client | Mapping[str, Client] | Fleet,
        *,
        confirm: bool = False,
        stop: threading.Event | None = None,
        now: datetime | None = None,
    ) -> Receipts:
        """Carry out the plan: read every image again, skip what has changed, go on after a failure.

        It can be stopped, by `stop` or by interrupting the kernel, and called again: what is done is done, the
        rest is checked anew.

        Args:
            client: of the server that the plan was made for; for several servers a client by name, or the
                fleet whose frame it was made from.
            confirm: True when you have looked at the plan; else it asks.
            stop: when set, no further step is begun.
            now: for rules that count time; by default the clock.

        Returns:
            A row a step: done, skipped (with the reason), failed (with the error), or not tried.

        Raises:
            InvalidRequestError: another server or project than the plan was made for, or there is nobody to ask.
        """
        checked_bool("confirm", confirm)  # "no" would be a yes
        steps = self.actions
        outcomes: list[Outcome] = []
        with clients_for(steps, self.servers, self.project, client) as clients:
            agreed = confirm or not steps or _confirmed([*consequences(steps, clients.by_server), self.summary])
            try:
                if not agreed:
                    outcomes += [Outcome(step, "not tried", "not confirmed") for step in steps]
                elif steps:
                    apply_steps(
                        steps,
                        clients,
                        outcomes,
                        rules=self.rules,
                        all_projects=self.project == "*",
                        stop=stop,
                        now=now or datetime.now(UTC),
                    )
            finally:
                # Set after an interrupt, too, so that it is known what was done.
                self.receipts = Receipts.of(outcomes)
        return self.receipts


def _confirmed(sentences: Sequence[str]) -> bool:
    question = "\n".join(sentences)
    try:
        answer = input(f"{question}. Do it? Type yes: ")
    except (EOFError, OSError, NotImplementedError) as exc:
        raise InvalidRequestError(
            "nobody is there to ask; look at the plan, then call apply(client, confirm=True)"
        ) from exc
    return answer.strip().lower() in ("yes", "y")
