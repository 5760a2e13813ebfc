"""The filter chips above a list of images."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CHIPS", "Chip"]


@dataclass(frozen=True, slots=True)
class Chip:
    """One chip: its title, its tooltip, and its filter. Without a filter the answer has to be looked up."""

    title: str
    hint: str
    filter: str = ""


CHIPS = {
    "public": Chip("Public", "Visible to everybody, without authentication", "public=yes"),
    "auto_update": Chip("Auto-update", "The server looks for newer builds", "auto_update=yes"),
    "cached": Chip("Cached", "The server fetched it on its own for an instance", "cached=yes"),
    "unused": Chip("Unused", "No instance and no snapshot was made from it; asks the server"),
    "outdated": Chip("Outdated", "There is a newer build in a catalogue; asks the catalogues that images came from"),
    "expired": Chip("Expired", "Past its date of expiry; no server deletes an image for that", "expires<now"),
    "vm": Chip("VMs", "For virtual machines", "type=virtual-machine"),
}
