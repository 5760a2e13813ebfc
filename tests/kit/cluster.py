"""Three members of one LXD or Incus cluster, as private processes on this machine.

Source: PUT /1.0/cluster, POST /1.0/cluster/members; tried on LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from tests.kit import servers
from tests.kit.servers import RunningServer
from tests.kit.sockets import free_port
from tests.kit.waiting import until

__all__ = ["Cluster", "running_cluster"]

# A member is called offline when it was not heard of for so long; 11 s is the least that servers take.
OFFLINE_SECONDS = 11


class Cluster:
    """A cluster and its members, of whom each is a server of its own."""

    def __init__(self, members: dict[str, RunningServer]) -> None:
        self.members = members

    def __getitem__(self, name: str) -> RunningServer:
        return self.members[name]

    @property
    def _alive(self) -> RunningServer:
        return next(member for member in self.members.values() if member.process and member.process.poll() is None)

    @property
    def leader(self) -> str:
        """The name of the member that leads the database."""
        for found in self.rows():
            if "database-leader" in found["roles"]:
                return str(found["server_name"])
        raise AssertionError("the cluster has no leader")

    @property
    def followers(self) -> list[str]:
        """The names of the others."""
        leader = self.leader
        return [name for name in self.members if name != leader]

    def rows(self) -> list[dict[str, Any]]:
        """The members as one that lives says."""
        # Between two leaders it is a 500.
        replies = (self._alive.raw("GET", "/1.0/cluster/members?recursion=1") for _ in range(10))
        return next(reply.metadata for reply in replies if reply.status == 200)  # type: ignore[no-any-return]

    def state(self, name: str) -> str:
        """`Online` or `Offline`, as the others say."""
        return next(str(row["status"]) for row in self.rows() if row["server_name"] == name)

    def add_instance(self, name: str, fingerprint: str, member: str) -> None:
        """Create a container on a member, on a `dir` pool that is made for it; it is never started."""
        if not self._alive.get("storage-pools"):
            pool = {"name": "pool", "driver": "dir"}
            for path in (*(f"/1.0/storage-pools?target={one}" for one in self.members), "/1.0/storage-pools"):
                assert self._alive.raw("POST", path, json=pool).status in (200, 201)
        document = {
            "name": name,
            "source": {"type": "image", "fingerprint": fingerprint},
            "profiles": [],
            "devices": {"root": {"type": "disk", "path": "/", "pool": "pool"}},
        }
        self[member].wait(self[member].raw("POST", f"/1.0/instances?target={member}", json=document))

    def notices(self, name: str, status: str = "Offline") -> bool:
        """Whether the others come to call a member that, in the time that they take for it."""
        return until(lambda: self.state(name) == status, timeout=60)

    def replicas(self, number: int) -> None:
        """Have so many members get the files of an image."""
        reply = self._alive.raw("PATCH", "/1.0", json={"config": {"cluster.images_minimal_replica": str(number)}})
        assert reply.status == 200, reply.body

    def clean(self) -> None:
        """Delete all instances and images, and the projects beside `default`; certificates are its members' own."""
        for path in self._alive.get("instances"):
            self._alive.wait(self._alive.raw("DELETE", path))
        for path in self._alive.get("projects"):
            project = path.rsplit("/", 1)[-1]
            for image in self._alive.get(f"images?project={project}"):
                self._alive.wait(self._alive.raw("DELETE", f"{image.split('?')[0]}?project={project}"))
            if project != "default":
                assert self._alive.raw("DELETE", path).status == 200

    def heal(self) -> None:
        """Start what does not run, and wait until all know of it."""
        dead = [member for member in self.members.values() if member.process and member.process.poll() is not None]
        for member in dead:
            member.restart()
        assert until(lambda: all(row["status"] == "Online" for row in self.rows()), timeout=60)


@contextlib.contextmanager
def running_cluster(kind: Literal["lxd", "incus"]) -> Iterator[Cluster]:
    """A cluster of three, in some five seconds.

    Raises:
        ServerDiedError: a daemon does not come up here.
    """
    start = servers.start_lxd if kind == "lxd" else servers.start_incus
    names = ("c1", "c2", "c3")
    folders = [Path(tempfile.mkdtemp(prefix=f"lxi-{kind}-{name}-", dir="/tmp")) for name in names]
    members: dict[str, RunningServer] = {}
    try:
        # One after the other: a daemon ends with the thread that started it.
        for name, folder in zip(names, folders, strict=True):
            members[name] = start(folder)
        _join(members)
        config = {"cluster.offline_threshold": str(OFFLINE_SECONDS)}
        reply = members["c1"].raw("PATCH", "/1.0", json={"config": config})
        assert reply.status == 200, reply.body
        yield Cluster(members)
    finally:
        for member in members.values():
            # They have nothing to hand over: all of it ends.
            member.kill()
            member.remove()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _join(members: dict[str, RunningServer]) -> None:
    first, *others = members.items()
    name, bootstrap = first
    address = bootstrap.listen().removeprefix("https://")
    bootstrap.wait(bootstrap.raw("PUT", "/1.0/cluster", json={"server_name": name, "enabled": True}))
    certificate = bootstrap.get("")["environment"]["certificate"]
    for name, member in others:
        started = bootstrap.raw("POST", "/1.0/cluster/members", json={"server_name": name}).json()["metadata"]
        token = base64.b64encode(
            json.dumps(
                {
                    "server_name": name,
                    "fingerprint": started["metadata"]["fingerprint"],
                    "addresses": started["metadata"]["addresses"],
                    "secret": started["metadata"]["secret"],
                    "expires_at": started["metadata"].get("expiresAt", "0001-01-01T00:00:00Z"),
                }
            ).encode()
        ).decode()
        member.https_url = f"https://127.0.0.1:{free_port()}"
        member.wait(
            member.raw(
                "PUT",
                "/1.0/cluster",
                json={
                    "server_name": name,
                    "enabled": True,
                    "server_address": member.https_url.removeprefix("https://"),
                    "cluster_address": address,
                    "cluster_certificate": certificate,
                    "cluster_password": token,
                    "cluster_token": token,
                    "member_config": [],
                },
            )
        )
