"""The clients among the user's variables, which `%lxdimg` works with unless another server was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxdimg_nb.client import Client
from lxdimg_nb.client.simplestreams.catalogue_client import CatalogueClient
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.text.display import sanitize

_MOST_NAMED = 4
_PRODUCTS = {"lxd": "LXD", "incus": "Incus", "simplestreams": "simplestreams"}


def user_clients(variables: Mapping[str, Any], *, closed: bool = False) -> dict[str, Client]:
    """The clients that are variables themselves, by name; what is inside of a list or an object is not looked at.

    Args:
        variables: the user's; names that begin with an underscore are IPython's.
        closed: those that were closed instead of those that are open.

    Returns:
        One client for each project of each server, under the name that was assigned first; of catalogues only if
        there is no client of a server.
    """
    # The type is asked for, because `isinstance` runs code of objects that stand for others.
    found = {
        name: value
        for name, value in list(variables.items())
        if not name.startswith("_") and issubclass(type(value), Client) and value.closed is closed
    }
    servers = {name: client for name, client in found.items() if not isinstance(client, CatalogueClient)}
    unique: dict[tuple[str, str], str] = {}
    for name, client in (servers or found).items():
        unique.setdefault(same_server_key(client), name)
    return {name: found[name] for name in unique.values()}


def same_server_key(client: Client) -> tuple[str, str]:
    """What two clients have in common that work in the same project of the same server, whatever its address."""
    return client.info.certificate_fingerprint or client.url, client.project


def describe(client: Client) -> str:
    """`LXD 5.0.2 at unix:///…, project default`."""
    info = client.info
    product = f"{_PRODUCTS.get(info.product, info.product)} {info.version}".strip()
    project = "" if isinstance(client, CatalogueClient) else f", project {client.project}"
    return sanitize(f"{product} at {client.url}{project}", 300)


def only_client(variables: Mapping[str, Any]) -> tuple[str, Client] | None:
    """The one open client among the variables with its name, or None.

    Raises:
        InvalidRequestError: there are several; it names them.
    """
    found = user_clients(variables)
    if len(found) < 2:
        return next(iter(found.items()), None)
    named = [f"${name} ({describe(client)})" for name, client in found.items()]
    more = [f"{len(named) - _MOST_NAMED:,} more"] if len(named) > _MOST_NAMED else []
    first = next(iter(found))
    raise InvalidRequestError(
        f"which server? {len(found)} clients are open: {', '.join([*named[:_MOST_NAMED], *more])}; "
        f"choose one with %lxdimg connect ${first}"
    )
