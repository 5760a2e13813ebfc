"""The state behind one demo server: records, operations, events, identity."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from ..versions import facts
from ..versions.flavours import Flavour
from .background_operations import Operations
from .database import Store
from .event_hub import Events
from .image_records import Images
from .trust_store import Identity

__all__ = ["Daemon"]

T = TypeVar("T")


class Daemon:
    """What the handlers share; belongs to the server's thread and loop.

    Attributes:
        first_day: the day (UTC) on which its folder was first used; the dates of its stock are relative to it.
    """

    def __init__(self, folder: Path, flavour: Flavour) -> None:
        self.folder = folder
        self.flavour = flavour
        self.store = Store(folder, flavour)
        self.images = Images(self.store)
        self.images.sweep_all()
        self.first_day = _first_day(self.store)
        self.events = Events(flavour)
        self.operations = Operations(flavour, self.events)
        self.identity = Identity(folder)
        self.address = ""
        self.started = time.time()
        self._extensions = flavour.extensions
        self._workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="lxdimg-demo-worker")

    @property
    def architecture(self) -> str:
        """The architecture of this machine, as images name it."""
        machine = platform.machine() or "x86_64"
        return {"arm64": "aarch64", "AMD64": "x86_64"}.get(machine, machine)

    def listens_on(self, address: str) -> None:
        """Set the current address, also in the images that came from the server's own simplestreams tree."""
        self.address = address
        for image in self.images.with_source():
            source = image.record.update_source or {}
            if source["certificate"] == self.identity.certificate and source["server"] != f"https://{address}":
                self.images.update(image, update_source=source | {"server": f"https://{address}"})

    async def in_worker(self, work: Callable[..., T], *values: Any) -> T:
        """Run a blocking function in a worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, work, *values)

    def close(self) -> None:
        """Cancel running operations and close the database."""
        self.operations.stop()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self.store.close()

    def description(self, *, trusted: bool, project: str, user: str) -> dict[str, Any]:
        """`GET /1.0`."""
        config = self.store.settings()
        config.pop("core.https_address", None)
        if "core.trust_password" in config:
            config["core.trust_password"] = "true"  # noqa: S105 - not a password: what the API shows in its place
        if self.address:
            config["core.https_address"] = self.address
        shown: dict[str, Any] = {
            "config": config if trusted else {},
            "api_extensions": self._extensions,
            "api_status": "stable",
            "api_version": "1.0",
            "auth": "trusted" if trusted else "untrusted",
            "public": False,
            "auth_methods": ["tls", "bearer"] if self.flavour.does(facts.BEARER) else ["tls"],
        }
        if not trusted:
            if not self.flavour.is_incus:
                del shown["config"]
            if self.flavour.does(facts.EXTENSIONS_HIDDEN):
                shown["api_extensions"] = None
            return shown
        if self.flavour.does(facts.USER_SHOWN):
            shown |= {"auth_user_name": user, "auth_user_method": "unix"}
        shown["environment"] = self._environment(project)
        return shown

    def _environment(self, project: str) -> dict[str, Any]:
        return {
            "addresses": [self.address] if self.address else [],
            "architectures": [self.architecture],
            "certificate": self.identity.certificate,
            "certificate_fingerprint": self.identity.fingerprint,
            "driver": "lxc",
            "driver_version": "5.0.2",
            "firewall": "nftables",
            "kernel": platform.system(),
            "kernel_architecture": self.architecture,
            "kernel_features": {},
            "kernel_version": platform.release(),
            "lxc_features": {},
            "os_name": "lxdimg_nb demo server",
            "os_version": "",
            "project": project,
            "server": self.flavour.product,
            "server_clustered": False,
            "server_event_mode": "full-mesh",
            "server_name": "lxdimg-demo",
            "server_pid": os.getpid(),
            "server_version": self.flavour.version,
            "storage": "dir",
            "storage_version": "1",
            "storage_supported_drivers": [{"Name": "dir", "Version": "1", "Remote": False}],
        }


def _first_day(store: Store) -> date:
    day = store.setting("demo.day")
    if day is None:
        day = datetime.now(UTC).date().isoformat()
        store.set_setting("demo.day", day)
    return date.fromisoformat(day)
