"""Container images and root file systems become images of which real servers make instances that start."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

import lxdimg_nb
from tests.kit import container_images as oci
from tests.kit import servers
from tests.kit.container_images import Image, layer, member
from tests.kit.servers import RunningServer


def _instance(server: RunningServer, fingerprint: str, name: str) -> None:
    if server.raw("GET", f"/1.0/storage-pools/{servers.POOL}").status == 404:
        server.raw("POST", "/1.0/storage-pools", json={"name": servers.POOL, "driver": "dir"})
    root = {"type": "disk", "path": "/", "pool": servers.POOL}
    source = {"type": "image", "fingerprint": fingerprint}
    document = {"name": name, "source": source, "profiles": [], "devices": {"root": root}}
    server.wait(server.raw("POST", "/1.0/instances", json=document))


def _state(server: RunningServer, action: str) -> str:
    """The reason why it was not done; empty when it was."""
    document = {"action": action, "force": True, "timeout": 20}
    operation = server.wait(server.raw("PUT", "/1.0/instances/app/state", json=document), ok=False)
    return str(operation["err"])


@pytest.mark.parametrize("scratch", [False, True])
def test_a_docker_save_file_becomes_a_running_container(real: RunningServer, tmp_path: Path, scratch: bool) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("its program is for x86_64")
    init = layer(
        member("sbin/init", oci.idle_program(), mode=0o755),
        member("etc/.wh.hosts"),
        member("etc/new", b"new\n"),
        member("etc/hard", type=b"1", link="etc/new"),
    )
    path = tmp_path / "app.tar"
    path.write_bytes(oci.docker_save(Image([init] if scratch else [oci.system(), init])))

    with lxdimg_nb.connect(real.url) as client:
        image = client.images.create(path, metadata=lxdimg_nb.image_metadata(path), wait=True)
    _instance(real, image.fingerprint, "app")
    try:
        root = real.folder / "storage-pools" / servers.POOL / "containers/app/rootfs"
        assert (root / "etc/new").samefile(root / "etc/hard")
        assert not (root / "etc/hosts").exists()
        started = _state(real, "start")
        if started and not os.access("/sys/fs/cgroup", os.W_OK):
            pytest.skip(f"this machine starts no container: {started}")
        assert real.get("instances/app")["status"] == "Running", started
        if not scratch:
            assert (root / "etc/hostname").read_text() == "app\n"
    finally:
        _state(real, "stop")
