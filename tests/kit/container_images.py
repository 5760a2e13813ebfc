"""Container images for tests, as docker, podman, buildkit and skopeo write them, of layers that are made here."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

CREATED = "2023-11-14T22:13:20.123456789Z"
CREATED_SECONDS = 1_700_000_000

DEBIAN = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'


def member(
    name: str,
    content: bytes = b"",
    *,
    type: bytes = tarfile.REGTYPE,
    link: str = "",
    mode: int = 0o644,
    uid: int = 0,
    device: tuple[int, int] = (0, 0),
    xattrs: Mapping[str, str] | None = None,
) -> tuple[tarfile.TarInfo, bytes]:
    """One member of a layer. A name that ends in a slash is a folder, one with a link a symbolic link."""
    info = tarfile.TarInfo(name.rstrip("/") or "./")
    info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.SYMTYPE if link and type == b"0" else type
    info.size, info.linkname, info.uid = len(content), link, uid
    info.mode = 0o755 if name.endswith("/") else mode
    info.mtime = CREATED_SECONDS
    info.devmajor, info.devminor = device
    info.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in (xattrs or {}).items()}
    return info, content


def layer(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An uncompressed layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def elf(machine: int = 62, *, bits: int = 64, little: bool = True, flags: int = 0) -> bytes:
    """The header of a program. The machines are those of elf.h: 62 is x86_64, 183 aarch64."""
    order = "<" if little else ">"
    ident = b"\x7fELF" + bytes([bits // 32, 1 if little else 2, 1]) + bytes(9)
    address = "Q" if bits == 64 else "I"
    rest = struct.pack(f"{order}HHI3{address}I6H", 2, machine, 1, 0, 0, 0, flags, 64, 0, 0, 0, 0, 0)
    return (ident + rest).ljust(64, b"\0")


def system(machine: int = 62, release: bytes = DEBIAN) -> bytes:
    """A layer with what a small Debian has: merged /usr, links to os-release and to the shell, hostname, hosts."""
    return layer(
        member("./"),
        *(member(name) for name in ("dev/", "etc/", "proc/", "sys/", "usr/", "usr/bin/", "usr/lib/", "usr/sbin/")),
        member("bin", link="usr/bin"),
        member("sbin", link="/usr/sbin"),
        member("usr/bin/dash", elf(machine), mode=0o755),
        member("usr/bin/sh", link="dash"),
        member("usr/lib/os-release", release),
        member("etc/os-release", link="../usr/lib/os-release"),
        member("etc/hostname", b"builder\n"),
        member("etc/hosts", b"127.0.0.1\tlocalhost\n"),
    )


@dataclass
class Image:
    """A container image.

    Attributes:
        layers: uncompressed, the lowest first.
        architecture, variant: as Go names them.
        names: `app:1.0`.
    """

    layers: Sequence[bytes]
    architecture: str = "amd64"
    variant: str = ""
    os: str = "linux"
    names: Sequence[str] = ("app:1.0",)
    config: dict[str, Any] = field(default_factory=dict)

    def configuration(self) -> bytes:
        """The image's configuration, as a file."""
        document: dict[str, Any] = {
            "created": CREATED,
            "architecture": self.architecture,
            "os": self.os,
            "config": {"Env": ["PATH=/usr/bin"], "Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(one) for one in self.layers]},
            "history": [{"created": CREATED, "created_by": "test"}] * len(self.layers),
            **({"variant": self.variant} if self.variant else {}),
            **self.config,
        }
        return json.dumps(document).encode()


def digest(content: bytes) -> str:
    """As container tools write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def docker_save(*images: Image) -> bytes:
    """`docker save` up to version 24: a folder a layer, the manifest at the end, equal layers as links."""
    members: list[tuple[tarfile.TarInfo, bytes]] = []
    manifest: list[dict[str, Any]] = []
    places: dict[str, str] = {}
    for number, image in enumerate(images):
        configuration = image.configuration()
        config = f"{digest(configuration)[7:]}.json"
        paths = []
        for position, content in enumerate(image.layers):
            folder = digest(b"%d %d" % (number, position))[7:]
            paths.append(f"{folder}/layer.tar")
            members.append(member(f"{folder}/"))
            members.append(member(f"{folder}/VERSION", b"1.0"))
            members.append(member(f"{folder}/json", b"{}"))
            there = places.setdefault(digest(content), paths[-1])
            plain = there == paths[-1]
            members.append(member(paths[-1], content) if plain else member(paths[-1], link=f"../{there}"))
        members.append(member(config, configuration))
        manifest.append({"Config": config, "RepoTags": list(image.names) or None, "Layers": paths})
    members.append(member("manifest.json", json.dumps(manifest).encode()))
    members.append(member("repositories", b"{}"))
    return layer(*members)


def oci_files(
    *images: Image, compression: Literal["gz", "zstd", "none"] = "gz", nested: bool = False, docker: bool = False
) -> dict[str, bytes]:
    """An OCI layout: name → content.

    Args:
        compression: of the layers.
        nested: one index, named as the first image, in the index, as buildkit writes several platforms.
        docker: with a manifest.json and containerd's names, as `docker save` from version 25 on.
    """
    files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def blob(content: bytes, media: str, **more: object) -> dict[str, Any]:
        files["blobs/sha256/" + digest(content)[7:]] = content
        return {"mediaType": media, "digest": digest(content), "size": len(content), **more}

    kind = "application/vnd.oci.image"
    descriptors, docker_manifest = [], []
    for image in images:
        packed = [_packed(one, compression) for one in image.layers]
        suffix = {"gz": "+gzip", "zstd": "+zstd", "none": ""}[compression]
        config = blob(image.configuration(), f"{kind}.config.v1+json")
        layers = [blob(one, f"{kind}.layer.v1.tar{suffix}") for one in packed]
        manifest = {"schemaVersion": 2, "mediaType": f"{kind}.manifest.v1+json", "config": config, "layers": layers}
        platform = {"architecture": image.architecture, "os": image.os}
        names = {"org.opencontainers.image.ref.name": image.names[0].rpartition(":")[2]} if image.names else {}
        if docker and image.names:
            names["io.containerd.image.name"] = f"docker.io/library/{image.names[0]}"
        more: dict[str, object] = {"platform": platform} if nested else {"annotations": names}
        descriptors.append(blob(json.dumps(manifest).encode(), f"{kind}.manifest.v1+json", **more))
        paths = [f"blobs/sha256/{one['digest'][7:]}" for one in layers]
        docker_manifest.append(
            {"Config": f"blobs/sha256/{config['digest'][7:]}", "RepoTags": list(image.names), "Layers": paths}
        )
    index: dict[str, Any] = {"schemaVersion": 2, "manifests": descriptors}
    if nested:
        # What buildkit adds to say how it was built; no image.
        attestation = blob(b'{"schemaVersion": 2, "layers": []}', f"{kind}.manifest.v1+json")
        attestation["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
        attestation["platform"] = {"architecture": "unknown", "os": "unknown"}
        inner = json.dumps({**index, "manifests": [*descriptors, attestation]}).encode()
        annotations = {"org.opencontainers.image.ref.name": images[0].names[0].rpartition(":")[2]}
        index["manifests"] = [blob(inner, f"{kind}.index.v1+json", annotations=annotations)]
    if docker:
        files["manifest.json"] = json.dumps(docker_manifest).encode()
    files["index.json"] = json.dumps(index).encode()
    return files


def oci_archive(files: Mapping[str, bytes]) -> bytes:
    """An OCI layout as one tarball."""
    folders = [member("blobs/"), member("blobs/sha256/")]
    return layer(*folders, *(member(name, content) for name, content in sorted(files.items())))


def oci_folder(files: Mapping[str, bytes], folder: Path) -> Path:
    """An OCI layout as a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def _packed(content: bytes, compression: str) -> bytes:
    if compression == "gz":
        return gzip.compress(content, mtime=0)
    if compression == "zstd":
        import zstandard

        return zstandard.ZstdCompressor().compress(content)
    return content


def idle_program() -> bytes:
    """A program for x86_64 that waits for good: it calls pause(2) again and again."""
    code = bytes.fromhex("b822000000 0f05 ebf7")
    address, size = 0x400000, 64 + 56 + len(code)
    header = elf()[:16] + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, address + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, size, size, 4096)
    return header + segment + code
