"""Differences between servers: LXD and Incus, old and new, told by API extension, then by product and version.

Facts: LXD 5.0.2 and Incus 6.0.4 on the wire, newer ones from their sources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lxdimg_nb.errors import InvalidRequestError, MissingExtensionError
from lxdimg_nb.values import ServerInfo
from lxdimg_nb.values.validation import checked_name

__all__ = ["Dialect"]

# Incus shared/validate, tried on 7.0.2: none of these, 1-64 bytes, an ASCII letter or digit at both ends.
_INCUS_ALIAS = re.compile(r"^[^\s$?&+\"'`*]{1,64}$")
_INCUS_END = re.compile(r"^[0-9A-Za-z](.*[0-9A-Za-z])?$")
_HEX = re.compile(r"^[0-9a-f]+$")

COMPRESSIONS = ("bzip2", "gzip", "lzma", "pigz", "pzstd", "squashfs", "xz", "zstd", "none")
_INCUS_COMPRESSIONS = ("lz4", "pxz")
# Incus shared/validate, since 6.0.6: levels and this, so that no option can name a file.
_COMPRESSION_OPTION = re.compile(r"-[1-9]|--rsyncable")


@dataclass(frozen=True, slots=True)
class Dialect:
    """The abilities and rules of one server."""

    info: ServerInfo

    def has(self, extension: str) -> bool:
        """Whether the server has that API extension."""
        return extension in self.info.extensions

    def require(self, extension: str, what: str) -> None:
        """Raise unless the server has that API extension.

        Raises:
            MissingExtensionError: it has not; the message says that it cannot do `what`.
        """
        if not self.has(extension):
            raise MissingExtensionError(
                f"{self.info.product} {self.info.version} cannot {what}; it lacks the API extension {extension}",
                extension=extension,
            )

    @property
    def incus(self) -> bool:
        """Whether the server is Incus."""
        return self.info.product == "incus"

    @property
    def simplestreams(self) -> bool:
        """Whether it is a simplestreams server: images to read and fetch, nothing else."""
        return self.info.product == "simplestreams"

    def at_least(self, *version: int) -> bool:
        """Whether the server's version is that or newer; False when it hides its version."""
        return self.info.version_tuple >= version and bool(self.info.version_tuple)

    @property
    def old_lxd(self) -> bool:
        """Whether it is LXD 5.0: alias PATCH and rename stall it for 10 to 20 s, events escape names twice."""
        return not self.incus and self.info.version_tuple[:2] == (5, 0)

    def headers(self, values: Mapping[str, str]) -> dict[str, str]:
        """Headers of an upload by the server's names: `X-LXD-fingerprint`, `X-Incus-fingerprint`."""
        return {f"X-{'Incus' if self.incus else 'LXD'}-{name}": value for name, value in values.items()}

    @property
    def lists_all_projects(self) -> bool:
        """Whether one request lists all projects; LXD shows an image once even if several projects have it."""
        return self.incus and self.has("images_all_projects")

    @property
    def profiles_on_upload(self) -> bool:
        """Whether it reads the header for profiles of an upload; LXD 5.0 ignores it."""
        return self.has("image_copy_profile")

    @property
    def url_source(self) -> bool:
        """Whether it fetches images from a URL; LXD 6.9 and newer do not (CVE-2026-28385)."""
        return self.incus or not self.at_least(6, 9)

    def can_auto_update_from(self, source: Dialect) -> bool:
        """Whether this server can keep an image up to date that it fetched from that source.

        Incus (6.0.4, 7.0.2) fetches from an LXD, but cannot record it as a source: "Invalid protocol: lxd".
        """
        return not self.incus or source.incus or source.simplestreams

    @property
    def refuses_dates(self) -> bool:
        """Whether it refuses dates without quotes where metadata.yaml has texts (Incus 7.0.2)."""
        return self.incus and self.at_least(7, 0)

    @property
    def token_field(self) -> str:
        """The field for a trust token in POST /1.0/certificates."""
        return "trust_token" if self.incus or self.has("explicit_trust_token") else "password"

    @property
    def shortest_prefix(self) -> int:
        """The fewest digits of a fingerprint that the server accepts (LXD 5.21.4 and 6.5: 12)."""
        newer = self.at_least(6, 5) or (self.at_least(5, 21, 4) and self.info.version_tuple[:1] == (5,))
        return 12 if not self.incus and newer else 1

    def is_prefix(self, name: str) -> bool:
        """Whether a name can be the prefix of a fingerprint on this server.

        Servers match prefixes with SQL LIKE, so only lower-case hexadecimal digits are sent.
        """
        return bool(_HEX.match(name)) and self.shortest_prefix <= len(name) <= 64

    def check_public(self, project: str) -> None:
        """Raise if images of that project cannot be public.

        Raises:
            InvalidRequestError: LXD 6.8 and newer allow it in the project default only.
        """
        if not self.incus and self.at_least(6, 8) and project != "default":
            raise InvalidRequestError(
                f"LXD {self.info.version} allows public images only in the project default, not in {project}"
            )

    def check_alias(self, name: str) -> str:
        """An alias as it was given, if this server and all others can work with it.

        Raises:
            InvalidRequestError: empty, `.` or `..`, or on an Incus against its rules.
        """
        checked_name(name, "an alias")
        if name != name.strip() or any(ord(c) < 32 for c in name):
            raise InvalidRequestError(f"{name!r} cannot be an alias; use letters, digits, dots, dashes and slashes")
        if self.incus and not self._incus_alias(name):
            raise InvalidRequestError(
                f"{name!r} cannot be an alias on Incus: at most 64 characters, no spaces, none of $ ? & + \" ' ` *, "
                "a letter or digit first and last (accented letters count twice, and only in between)"
            )
        return name

    def _incus_alias(self, name: str) -> bool:
        if not (_INCUS_ALIAS.match(name) and name[0].isalnum() and name[-1].isalnum()):
            return False
        # Incus before 6.0.6 and 6.16 does not check this, and may have such names in use.
        newer = self.at_least(6, 16) or (self.at_least(6, 0, 6) and self.info.version_tuple[:2] == (6, 0))
        return not newer or (len(name.encode()) <= 64 and bool(_INCUS_END.match(name)))

    def check_compression(self, name: str) -> str:
        """A compression as it was given, if the product knows it; servers put it in a command line (CVE-2026-28384).

        Raises:
            InvalidRequestError: any other, or an option that is neither a level nor `--rsyncable`.
        """
        known = (*COMPRESSIONS, *_INCUS_COMPRESSIONS) if self.incus else COMPRESSIONS
        program, *options = name.split(" ")
        if program not in known:
            raise InvalidRequestError(f"{name!r} is no compression; one of {', '.join(known)}")
        if options and (program in ("none", "squashfs") or not all(map(_COMPRESSION_OPTION.fullmatch, options))):
            raise InvalidRequestError(
                f"the compression {name!r} has options that may not be given; write {program!r} alone, or gzip, xz "
                "and the like with a level from -1 to -9 or --rsyncable: 'gzip -9'"
            )
        return name
