"""Metadata made of what lies in a root file system or a disk: `lxdimg.image_metadata`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime

from lxdimg_nb.client.files.inside.system_facts import SystemFacts
from lxdimg_nb.client.files.metadata.metadata_tarball import Fact, ImageMetadata
from lxdimg_nb.client.files.progress import ProgressArgument
from lxdimg_nb.client.files.root_source import RootSource, read_root
from lxdimg_nb.client.files.source import Data
from lxdimg_nb.errors import InvalidImageError, InvalidRequestError
from lxdimg_nb.text.display import sanitize
from lxdimg_nb.text.secret import hide_address
from lxdimg_nb.values import json_fields
from lxdimg_nb.values.architecture import distribution_architecture, kernel_architecture
from lxdimg_nb.values.validation import checked_bool, checked_name, checked_properties, checked_time

__all__ = ["image_metadata"]

_GIVEN = "given"
_DAY = 86_400
_LATEST = 253_402_300_799  # the year 9999
_HOSTNAME = "{{ container.name }}\n"


def image_metadata(
    data: Data,
    *,
    os: str | None = None,
    release: str | None = None,
    architecture: str | None = None,
    description: str | None = None,
    name: str | None = None,
    variant: str | None = None,
    serial: str | None = None,
    creation_date: date | str | int | None = None,
    properties: Mapping[str, str] | None = None,
    templates: bool | Mapping[str, str] = True,
    image: str | None = None,
    progress: ProgressArgument = None,
) -> ImageMetadata:
    """Make the metadata that a root file system or a disk needs to become an image, filled from the file itself.

    `client.images.create(rootfs, metadata=lxdimg.image_metadata(rootfs))`. The same file and arguments give the same
    metadata, and thus the same image, where the file tells when it was made.

    Args:
        data: a tarball of a root file system, a container image (`docker save`, OCI layout), a squashfs, a disk, or
            the folder of a root file system or of an OCI layout: bytes, a path or a binary file.
        os, release, variant: properties; None takes them from /etc/os-release.
        architecture: `x86_64`, `arm64` …; None takes that of the container image, of /bin/sh, or of the disk's boot
            loader. It also chooses among the platforms of a container image.
        description, name, serial: properties; None makes them of the others.
        creation_date: a time, one as text, or seconds since 1970; None takes the file's own.
        properties: further ones, which win over all others.
        templates: True has servers write /etc/hostname and /etc/hosts where a container has them, False none; a
            mapping of paths to pongo2 templates has them write those.
        image: the name of one container image, where there are several: `app:1.0`.
        progress: True for a bar, or a callable; raising in it stops the reading.

    Returns:
        The tarball (gzip), which shows each value and where it is from.

    Raises:
        InvalidImageError: nothing that can become an image, or its architecture is not known and not given.
        InvalidRequestError: a value that no server takes.

    Source: `incus image generate-metadata`; distrobuilder's image/ and generators/.
    """
    wanted = _checked_architecture(architecture)
    words = {"os": os, "release": release, "variant": variant, "serial": serial}
    words |= {"description": description, "name": name}
    given = checked_properties({key: value for key, value in words.items() if value is not None})
    given |= checked_properties(properties or {})
    moment = _seconds(creation_date)
    texts = _checked_templates(templates)
    if image is not None:
        checked_name(image, "a container image")
    data = hide_address(data)
    root = read_root(data, image=image, architecture=wanted or None, progress=progress)
    machine = Fact("architecture", wanted, _GIVEN) if wanted else _found_architecture(root)
    created = (moment, _GIVEN) if moment else _found_time(root)
    of_system = _property_facts(root, given, machine, created[0])
    if texts is None:
        texts = {} if root.machine else _default_templates(root.facts)
    facts = [
        machine,
        Fact("creation_date", f"{datetime.fromtimestamp(created[0], UTC):%Y-%m-%d %H:%M} UTC", created[1]),
        Fact("type", "virtual machine" if root.machine else "container", root.what),
        *(Fact(*detail, root.what) for detail in root.details),
        *(fact for fact in of_system if fact.name != "architecture"),
        *(Fact("template", path, "as distrobuilder" if templates is True else _GIVEN) for path in texts),
    ]
    document = {
        "architecture": machine.value,
        "creation_date": created[0],
        "properties": {fact.name: fact.value for fact in of_system},
    }
    return ImageMetadata.pack(document, texts, facts, image=image, notes=_notes(root))


def _checked_architecture(name: str | None) -> str:
    if name is None:
        return ""
    found = kernel_architecture(name) if isinstance(name, str) else ""
    if not found:
        raise InvalidRequestError(f"{name!r} is no architecture that servers know; write for example x86_64 or arm64")
    return found


def _seconds(value: date | str | int | None) -> int:
    """Seconds since 1970; 0 for None."""
    if value is None:
        return 0
    if isinstance(value, date | str):
        moment = checked_time(value)
        value = int(moment.timestamp()) if moment is not None else 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LATEST:
        raise InvalidRequestError(f"creation_date is a time after 1970, one as text, or seconds since 1970: {value!r}")
    return value


def _checked_templates(templates: bool | Mapping[str, str]) -> dict[str, str] | None:
    """The templates that were given; None for those of the root file system."""
    if not isinstance(templates, Mapping):
        return None if checked_bool("templates", templates) else {}
    found = checked_properties(templates)
    relative = [path for path in found if not path.startswith("/") or ".." in path.split("/")]
    if relative:
        raise InvalidRequestError(f"a template is for a path like /etc/hosts, not {relative[0][:80]!r}")
    return found


def _found_architecture(root: RootSource) -> Fact:
    value, source = root.architecture
    if not value and root.facts.architecture:
        value, source = root.facts.architecture, f"the program {root.facts.program}"
    if not value:
        looked = "no partition or boot loader" if root.machine else "no program"
        raise InvalidImageError(
            f"{looked} in the file tells its architecture; name it: architecture='x86_64', or arm64 …"
        )
    return Fact("architecture", value, source)


def _found_time(root: RootSource) -> tuple[int, str]:
    now = int(time.time())
    seconds, source = root.created
    return (seconds, source) if 0 < seconds < now + _DAY else (now, "the time of this call")


def _property_facts(root: RootSource, given: Mapping[str, str], machine: Fact, moment: int) -> list[Fact]:
    """The properties, as distrobuilder has them, and those that were given."""
    release, file = root.facts.os_release, f"/{root.facts.os_release_path}"
    what = "disk" if root.machine else "root file system"
    found: dict[str, Fact] = {key: Fact(key, value, _GIVEN) for key, value in given.items()}

    def value(key: str) -> str:
        return found[key].value if key in found else ""

    def add(key: str, text: str, source: str) -> None:
        text = sanitize(text, 500).strip()
        if text and key not in found:
            found[key] = Fact(key, text, source)

    add("architecture", distribution_architecture(machine.value), "architecture")
    for key, names in (
        ("os", ("ID", "NAME")),
        ("release", ("VERSION_CODENAME", "VERSION_ID", "BUILD_ID")),
        ("variant", ("VARIANT_ID",)),
    ):
        used = next((name for name in names if release.get(name)), "")
        add(key, release.get(used, ""), f"{file}: {used}")
    add("variant", "default", "nothing else known")
    add("serial", f"{datetime.fromtimestamp(moment, UTC):%Y%m%d_%H:%M}", "creation_date")
    title = release.get("PRETTY_NAME") or " ".join(filter(None, (value("os"), value("release")))) or what
    if {"os", "release"} & given.keys():
        title = " ".join(filter(None, (value("os"), value("release"))))
    add("description", f"{title} {value('architecture')} ({value('serial')})", "made of the others")
    parts = (value(key) for key in ("os", "release", "architecture", "variant", "serial"))
    add("name", "-".join(filter(None, parts)), "made of the others")
    order = ["os", "release", "architecture", "variant", "serial", "description", "name"]
    return sorted(found.values(), key=lambda fact: order.index(fact.name) if fact.name in order else len(order))


def _default_templates(facts: SystemFacts) -> dict[str, str]:
    """As distrobuilder writes them, where the files exist. Source: its generators/hostname.go and hosts.go."""
    texts = {"/etc/hostname": _HOSTNAME} if facts.hostname else {}
    if facts.hosts is not None:
        # A template of the file's own would be run as one.
        hosts = facts.hosts.decode("utf-8", "replace").replace("{", "").replace("}", "").replace("\0", "")
        texts["/etc/hosts"] = f"127.0.1.1\t{_HOSTNAME}{hosts}"
    return texts


def _notes(root: RootSource) -> list[str]:
    if root.machine or root.facts.init or not (root.image or root.facts.os_release_path):
        return []
    config = json_fields.mapping(root.image.config.get("config")) if root.image else {}
    command = " ".join([*json_fields.strings(config.get("Entrypoint")), *json_fields.strings(config.get("Cmd"))])
    return [
        "There is no /sbin/init in it: name the program with which a container of it starts, for example "
        f"-c raw.lxc='lxc.init.cmd = {sanitize(command or '/bin/sh', 100)}'."
    ]
