"""Rows of the table of verdicts: files that are no images but can become one, alone and with metadata that are made."""

from __future__ import annotations

import gzip

import lxdimg_nb
from tests.client.verdicts.rows import Row, refused
from tests.kit import container_images as oci
from tests.kit import disks, factory
from tests.kit.container_images import Image, layer, member

_ROOT = oci.system()
_APP = Image([_ROOT, layer(member("etc/more", b"more"))])
_IN_FOLDER = factory.tar({"debian/": b"", "debian/etc/": b"", "debian/usr/": b"", "debian/etc/hostname": b"x\n"})
_DISK = disks.qcow2(disks.gpt((disks.ESP, disks.fat(["BOOTX64.EFI"]))))

_ALONE = {
    "docker save": (oci.docker_save(_APP), "a container image"),
    "docker save, gzipped": (gzip.compress(oci.docker_save(_APP), mtime=0), "a container image"),
    "docker save of version 25": (oci.oci_archive(oci.oci_files(_APP, docker=True)), "a container image"),
    "OCI layout": (oci.oci_archive(oci.oci_files(_APP)), "a container image"),
    "root file system": (_ROOT, "the tarball of a root file system"),
    "root file system, gz": (gzip.compress(_ROOT, mtime=0), "the tarball of a root file system"),
    "root file system, xz": (factory.compress(_ROOT, "xz"), "the tarball of a root file system"),
    "root file system, bz2": (factory.compress(_ROOT, "bz2"), "the tarball of a root file system"),
    "root file system, zst": (factory.compress(_ROOT, "zst"), "the tarball of a root file system"),
    "root file system in a folder": (_IN_FOLDER, "tar -C debian -czf NEW.tar.gz ."),
    "OVA": (layer(member("vm.ovf", b"<a>"), member("vm-1.vmdk", b"KDMV")), "tar -xf FILE vm-1.vmdk"),
    "Vagrant box": (layer(member("metadata.json", b"{}"), member("box.img", factory.qcow2())), "a Vagrant box"),
    "cloud disk": (_DISK, "a disk image"),
}

ROWS: dict[str, Row] = {
    **{f"no metadata: {name}": refused(data, says) for name, (data, says) in _ALONE.items()},
    "no metadata: backup": refused(layer(member("backup/"), member("backup/index.yaml", b"a: b")), "lxc import FILE"),
    **{
        f"metadata made: {name}": Row(data, lxdimg_nb.image_metadata(data), usable=True)
        for name, (data, _) in _ALONE.items()
        if name.startswith("root file system") and data is not _IN_FOLDER
    },
    # An instance of a disk needs QEMU on the server.
    "metadata made: cloud disk": Row(_DISK, lxdimg_nb.image_metadata(_DISK)),
}
