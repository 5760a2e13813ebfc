"""The image in a `docker save` archive or an OCI layout: its configuration and its layers, for one platform.

Source: OCI image specification, image-layout.md, image-index.md, manifest.md, config.md; moby's image/tarexport.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lxdimg_nb.client.files.layers.archive_files import MAX_JSON, ImageParts, parse_json
from lxdimg_nb.client.files.source import Source
from lxdimg_nb.errors import InvalidImageError
from lxdimg_nb.values.architecture import kernel_architecture
from lxdimg_nb.values.json_fields import mapping, string

__all__ = ["ContainerImage", "Layer", "choose_image"]

# Manifests in indexes in indexes, and all of them together.
MAX_DEPTH = 8
MAX_MANIFESTS = 1000
MAX_LAYERS = 1000

_DIGEST = re.compile(r"(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
# As Go names them, where the names of distributions are others.
_GO_NAMES = {"arm": "armv7l", "386": "i686", "mips64le": "mips64", "mipsle": "mips", "loong64": "loongarch64"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One tarball of a container image.

    Attributes:
        source: the tarball, compressed or not.
        digest: of `source`, `sha256:…`; empty when nothing says.
        diff_id: of what it decompresses to; empty when nothing says.
    """

    source: Source
    digest: str
    diff_id: str


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """A container image for one platform.

    Attributes:
        names: by which it can be chosen; none in many archives.
        architecture: as servers name it; empty when it is not said or not known to them.
        platform: as the image says it: `linux/arm64/v8`.
        config: of the OCI image specification, config.md.
        layers: the lowest first.
    """

    names: tuple[str, ...]
    architecture: str
    platform: str
    config: Mapping[str, Any]
    layers: Sequence[Layer]


def choose_image(parts: ImageParts, *, name: str | None = None, architecture: str | None = None) -> ContainerImage:
    """The one image that is meant.

    Args:
        parts: the files of a `docker save` archive or of an OCI layout.
        name: its name or tag, where there are several.
        architecture: as servers name it, where there are several.

    Raises:
        InvalidImageError: none or several fit; something is missing or is not what its digest says.
    """
    images = list(_of_index(parts)) if "index.json" in parts else []
    if not images and "manifest.json" in parts:
        images = list(_of_docker(parts))
    if not images:
        raise InvalidImageError("it holds no image whose files are all there; save the image again")
    fitting = [image for image in images if _has_name(image, name)]
    if len(fitting) > 1 and architecture is not None:
        fitting = [image for image in fitting if image.architecture == architecture]
    if len(fitting) == 1:
        return fitting[0]
    held = ", ".join(f"{', '.join(i.names) or 'without a name'} ({i.platform})" for i in images[:20])
    if not fitting:
        wanted = " ".join(part for part in (name, architecture) if part)
        raise InvalidImageError(f"it holds no image {wanted}; it holds {held}")
    several = "architecture=" if len({i.architecture for i in fitting}) > 1 else "image="
    raise InvalidImageError(f"it holds several images, choose one with {several}: {held}")


def _of_index(parts: ImageParts) -> Iterator[ContainerImage]:
    """The images of an OCI layout whose files are there, each once."""
    waiting: list[tuple[Any, int, tuple[str, ...]]] = [(parts.json("index.json"), 0, ())]
    seen: dict[str, ContainerImage] = {}
    count = 0
    while waiting:
        index, depth, inherited = waiting.pop()
        for descriptor in _list(mapping(index).get("manifests")):
            count += 1
            if count > MAX_MANIFESTS or depth > MAX_DEPTH:
                raise InvalidImageError("its indexes hold more manifests than any image has")
            digest = string(mapping(descriptor).get("digest"))
            annotations = mapping(mapping(descriptor).get("annotations"))
            if not _DIGEST.fullmatch(digest) or "vnd.docker.reference.type" in annotations:
                continue
            names = tuple(string(annotations[key]) for key in _NAMES if annotations.get(key)) or inherited
            if _blob(digest) not in parts:
                continue
            document = _checked_json(parts, digest)
            if "manifests" in document:
                waiting.append((document, depth + 1, names))
                continue
            image = _of_manifest(parts, document, names)
            if image is not None:
                known = seen.get(digest)
                seen[digest] = replace(image, names=(*known.names, *names)) if known else image
    yield from seen.values()


def _of_manifest(parts: ImageParts, manifest: Mapping[str, Any], names: tuple[str, ...]) -> ContainerImage | None:
    """The image of a manifest; None when it is none, or not all of it is there."""
    config_digest = string(mapping(manifest.get("config")).get("digest"))
    digests = [string(mapping(layer).get("digest")) for layer in _list(manifest.get("layers"))]
    if not all(_DIGEST.fullmatch(d) and _blob(d) in parts for d in (config_digest, *digests)):
        return None
    config = _checked_json(parts, config_digest)
    if "rootfs" not in config:
        return None  # a chart, an attestation
    return _image(names, config, [(parts.source(_blob(digest)), digest) for digest in digests])


def _of_docker(parts: ImageParts) -> Iterator[ContainerImage]:
    """The images of a `docker save` archive."""
    for entry in _list(parts.json("manifest.json"))[:MAX_MANIFESTS]:
        entry = mapping(entry)
        name = string(entry.get("Config"))
        digest = re.fullmatch(r"(?:blobs/sha256/|sha256:)?([0-9a-f]{64})(?:\.json)?", name)
        config = _checked_json(parts, f"sha256:{digest[1]}", name) if digest else mapping(parts.json(name))
        files = [(parts.source(string(layer)), "") for layer in _list(entry.get("Layers"))]
        yield _image(tuple(string(tag) for tag in _list(entry.get("RepoTags"))), config, files)


def _image(names: tuple[str, ...], config: Mapping[str, Any], files: Sequence[tuple[Source, str]]) -> ContainerImage:
    diff_ids = [string(diff_id) for diff_id in _list(mapping(config.get("rootfs")).get("diff_ids"))]
    if len(diff_ids) != len(files) or len(files) > MAX_LAYERS:
        raise InvalidImageError(f"it has {len(files)} layers, and its configuration tells of {len(diff_ids)}")
    if not all(_DIGEST.fullmatch(diff_id) for diff_id in diff_ids):
        raise InvalidImageError("its configuration has no checksums of its layers")
    system, machine, variant = (string(config.get(key)) for key in ("os", "architecture", "variant"))
    if system not in ("", "linux"):
        raise InvalidImageError(f"it is an image for {system[:40]}; containers run Linux")
    named = "armv6l" if (machine, variant) == ("arm", "v6") else _GO_NAMES.get(machine, kernel_architecture(machine))
    platform = "/".join(part for part in (system, machine, variant) if part)
    layers = [Layer(source, digest, diff_id) for (source, digest), diff_id in zip(files, diff_ids, strict=True)]
    return ContainerImage(names, named, platform, config, layers)


def _checked_json(parts: ImageParts, digest: str, name: str = "") -> Mapping[str, Any]:
    name = name or _blob(digest)
    content = parts.small_file(name)
    kind, _, expected = digest.partition(":")
    if len(content) <= MAX_JSON and hashlib.new(kind, content).hexdigest() != expected:
        raise InvalidImageError(f"{name} in it is damaged: its content has another checksum; save the image again")
    return mapping(parse_json(name, content))


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _has_name(image: ContainerImage, name: str | None) -> bool:
    return name is None or any(
        name in (known, known.rpartition(":")[2]) or known.endswith(f"/{name}") for known in image.names
    )
