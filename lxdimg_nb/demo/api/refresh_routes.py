"""Images fetched again from where they came: on request, and all that are marked for it.

Source: `POST /1.0/images/{fp}/refresh` on LXD 5.0.2: what moves to the newer build and what is lost.
"""

from __future__ import annotations

from dataclasses import replace

from ..http.peers import Peer
from ..http.replies import Refusal, Reply
from ..http.routing import Call, Caller, Routes
from ..store.background_operations import Operation
from ..store.daemon import Daemon
from ..store.event_hub import Requestor
from ..store.go_json import now_text
from ..store.image_records import ImageRow
from .arrivals import announce, install
from .copies import fetched, locate, remove
from .image_routes import writable

__all__ = ["routes", "update_all"]

routes = Routes()


@routes.add("POST", "/1.0/images/{name}/refresh")
def refresh(call: Call, name: str) -> Reply:
    """Ask the image's source for a newer build and put it in the image's place."""
    image = writable(call, name)

    async def work(operation: Operation) -> None:
        refreshed = await renew(call, operation, image)
        call.daemon.operations.progress(operation, refreshed=refreshed)

    return call.start("Refreshing image", work)


async def update_all(daemon: Daemon) -> int:
    """Refresh every image that is marked for it and has a source; how many were replaced."""
    count = 0
    nobody = Caller(trusted=True, requestor=Requestor("", "", ""))
    for image in daemon.images.with_source():
        if not image.record.auto_update:
            continue
        call = Call(daemon, "", "", {"project": image.project}, {}, nobody)
        done: list[bool] = []

        async def work(
            operation: Operation, call: Call = call, image: ImageRow = image, told: list[bool] = done
        ) -> None:
            told.append(await renew(call, operation, image))

        operation = daemon.operations.start(image.project, "Updating images", work)
        await operation.done.wait()
        count += any(done)
    return count


async def _note(call: Call, image: ImageRow, done: list[bool], operation: Operation) -> None:
    done.append(await renew(call, operation, image))


async def renew(call: Call, operation: Operation, image: ImageRow) -> bool:
    """Replace an image by what its source has now.

    Returns:
        Whether there was a newer build.
    """
    said = f'Failed to update image "{image.record.fingerprint}" in project "{call.project}": '
    source = image.record.update_source
    if source is None:
        raise Refusal(404, said + "Image source not found")
    daemon = call.daemon
    peer = Peer(source["server"], source["certificate"])
    found = await daemon.in_worker(locate, daemon, peer, source | {"image_type": image.record.type})
    if found.record.fingerprint == image.record.fingerprint:
        return False
    record = replace(
        found.record,
        public=image.record.public,
        # Fetched as the hourly update fetches it; the flag it had before is not looked at.
        auto_update=True,
        cached=image.record.cached,
        profiles=image.record.profiles,
        last_used_at=image.record.last_used_at,
        update_source=source,
    )
    if daemon.images.exact(image.project, record.fingerprint) is None:
        files = await fetched(daemon, operation, peer, found)
        try:
            size = sum(path.stat().st_size for path in files)
            install(call, image.project, replace(record, uploaded_at=now_text(), size=size), files)
            announce(call, image.project, record, ())
        finally:
            remove(files)
    daemon.images.replace_by(image, record)
    daemon.images.sweep(image.record.fingerprint)
    call.tell("image-refreshed", f"/1.0/images/{image.record.fingerprint}", call.project)
    return True
