"""The projects of a server and what each holds, from one request however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lxdimg_nb.client.http.transport import MAX_LISTING
from lxdimg_nb.client.project import Project
from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.values.json_fields import mapping, string, strings

__all__ = ["MAX_PROJECTS", "ListedProject", "holding_images", "listed_projects", "project_names"]

# So many are asked one after the other, which takes a server some 10 s.
MAX_PROJECTS = 10_000


@dataclass(frozen=True, slots=True)
class ListedProject:
    """A project as it is listed.

    Attributes:
        name: its name.
        shared: whether it shows the images of `default`.
        used_by: the URLs of what is in it; None if the server does not say, or it shows the images of another.
    """

    name: str
    shared: bool
    used_by: Sequence[str] | None

    def may_hold(self, kind: str) -> bool:
        """Whether there is something of a kind in it, such as `images`, as far as the server says."""
        start = f"/1.0/{kind}/"
        return self.used_by is None or any(url.startswith(start) for url in self.used_by)


def listed_projects(project: Project) -> list[ListedProject]:
    """The projects that this connection may see, by name.

    Raises:
        UnexpectedReplyError: it is no list of them.

    Source: GET /1.0/projects?recursion=1; LXD 5.0.2 and Incus 6.0.4 send `used_by` with each.
    """
    reply = project.transport.request("GET", "/1.0/projects", params={"recursion": "1"}, limit=MAX_LISTING)
    found = []
    for entry in reply.documents("projects"):
        if not (name := string(entry.get("name"))):
            raise UnexpectedReplyError("the server sent a project without a name; is it LXD or Incus?")
        shared = mapping(entry.get("config")).get("features.images") == "false"
        users = entry.get("used_by")
        known = isinstance(users, list) and not shared
        found.append(ListedProject(name, shared, strings(users) if known else None))
    return sorted(found, key=lambda one: one.name)


def project_names(project: Project) -> list[str]:
    """The names of the projects that this connection may see, in order."""
    return [one.name for one in listed_projects(project)]


def holding_images(project: Project) -> list[ListedProject]:
    """The projects that have images of their own; those that show the images of `default` only if it is not seen."""
    found = listed_projects(project)
    shared = {one.name for one in found if one.shared and one.name != "default"}
    if shared and all(one.name != "default" for one in found):
        # The images of default are to be seen through such a project only; once is enough.
        shared.remove(min(shared))
    return [one for one in found if one.name not in shared and one.may_hold("images")]
