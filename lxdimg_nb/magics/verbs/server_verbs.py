"""Verbs about the connection: connect, remotes, status, demo."""

from __future__ import annotations

from typing import Any

from lxdimg_nb.client import Client, enroll
from lxdimg_nb.client.config.remotes import remotes_by_name
from lxdimg_nb.client.simplestreams.catalogue_client import CatalogueClient
from lxdimg_nb.errors import InvalidRequestError, LxdImageError
from lxdimg_nb.magics.line.command import argument, flag, option, verb
from lxdimg_nb.magics.line.server_types import SERVER
from lxdimg_nb.magics.line.types import ASK, FILE, TOKEN, Choice
from lxdimg_nb.magics.session.messages import echo, format_error
from lxdimg_nb.magics.session.prompts import secret
from lxdimg_nb.magics.session.session import Invocation, Session
from lxdimg_nb.text import formats
from lxdimg_nb.text.cells import badge
from lxdimg_nb.text.tables import Table

SHORT_LIST = 200
SHOWN_PROBLEMS = 3
PRODUCTS = {"lxd": "LXD", "incus": "Incus", "simplestreams": "simplestreams"}


@verb("connect")
@argument("server", "URL|REMOTE", SERVER, required=False)
@option("--cert", type=FILE, metavar="FILE", help="the client certificate")
@option("--key", type=FILE, metavar="FILE", help="the key of the client certificate")
@option("--token", type=TOKEN, metavar="-|$VARIABLE", help="a trust token: - asks for it, $variable holds it")
@option("--name", metavar="NAME", help="keep the enrolled server under this name, for lxc or incus as well")
@option("--server-cert", type=FILE, metavar="FILE", help="the only certificate to accept")
def connect(
    invocation: Invocation,
    server: Client | str | None,
    cert: str | None,
    key: str | None,
    token: str | None,
    name: str | None,
    server_cert: str | None,
) -> Client:
    """Connect to a server; without an argument to $LXDIMG_URL, else to the local LXD or Incus.

    A client in a variable works as well: %lxdimg connect $client
    """
    session, project = invocation.session, invocation.project
    if isinstance(server, Client):
        # Asks the server, so that one that is gone is reported now.
        client = server.in_project(project or server.project)
        client = client if project else server
        session.use(client)
        return client
    if (cert is None) != (key is None):
        raise InvalidRequestError("--cert and --key go together")
    if token is not None:
        return _enroll(invocation, server, token, name)
    if name is not None:
        raise InvalidRequestError("--name needs --token: it names the server that is enrolled")
    options: dict[str, Any] = {"cert": (cert, key)} if cert is not None else {}
    options |= {"server_cert": server_cert} if server_cert is not None else {}
    if options and not server:
        raise InvalidRequestError("certificates need an address: %lxdimg connect https://host:8443 …")
    return session.connect(server or "", project, **options)


def _enroll(invocation: Invocation, server: str | None, token: str, name: str | None) -> Client:
    """Enroll with a token, which is neither shown nor kept in the history."""
    given = secret("token: ") if token == ASK else token
    remote = enroll(*(word for word in (server, given) if word), name=name, exist_ok=True)
    echo(f"enrolled {remote.name} at {remote.addresses[0]}; %lxdimg connect {remote.name} connects to it")
    return invocation.session.connect(remote.name, invocation.project)


@verb("remotes")
def remotes(invocation: Invocation) -> Any:
    """The remotes of lxc, incus and enroll, as a frame."""
    from lxdimg_nb.magics.show.frames import listing

    found = remotes_by_name()
    current = invocation.session.current
    rows = list(found.values())
    columns: dict[str, list[Any]] = {
        "address": [remote.addresses[0] if remote.addresses else "" for remote in rows],
        **{name: [getattr(remote, name) for remote in rows] for name in ("protocol", "public", "project", "home")},
        "connected": [current is not None and current.url in remote.addresses for remote in rows],
    }
    return listing("remote", list(found), columns)


@verb("status")
def status(invocation: Invocation) -> Table:
    """Server, version, project, access and images; the same as %lxdimg alone."""
    session = invocation.session
    try:
        client = invocation.client()
        info = client.reload()
        images = _image_count(session, client)
    except LxdImageError as error:
        why, *advice = format_error(error).split("\n  - ")
        # No error is raised here, so it cannot be looked into.
        advice = [line for line in advice if "sys.last_value" not in line]
        advice = advice or ["%lxdimg connect URL, or %lxdimg demo for a server to try things out on"]
        lost = (
            ("status", "not connected" if session.current is None else f"no answer from {session.current.url}"),
            ("why", why),
            *(("" if number else "next", line) for number, line in enumerate(advice)),
        )
        return Table(("", ""), lost, title="%lxdimg")
    rows = (
        ("server", client.url),
        ("product", f"{PRODUCTS[info.product]} {info.version}".strip()),
        ("project", client.project + (" (with the images of default)" if info.shares_images else "")),
        ("access", badge(info.auth)),
        ("images", images),
        *_left_out(client),
        *([("clock", f"{info.clock} this machine's")] if info.clock else []),
        ("next", "%lxdimg list, %lxdimg info NAME, %lxdimg panel, %lxdimg help"),
    )
    return Table(("", ""), rows, title=f"{PRODUCTS[info.product]}{' ' + info.name if info.name else ''}")


def _left_out(client: Client) -> list[tuple[str, str]]:
    """What of a catalogue cannot be read, a row each for the first few."""
    problems = client.problems if isinstance(client, CatalogueClient) else ()
    rows = [("" if number else "left out", problem) for number, problem in enumerate(problems[:SHOWN_PROBLEMS])]
    more = client.images.left_out - len(rows)
    return [*rows, ("", f"and {more:,} more; client.problems has the first hundred")] if more > 0 else rows


def _image_count(session: Session, client: Client) -> str:
    known = session.known_images(client)
    records = known.records()
    # The live inventory lags by milliseconds, which shows right after an import; a short list is read again.
    if not known.live or len(records) < SHORT_LIST:
        records = client.images.records()
        known.learn(records)
    public = sum(record.public for record in records)
    total = formats.size(sum(record.size for record in records))
    return f"{len(records):,}, {total}, {public:,} of them public"


@verb("demo")
@argument("action", "START|STOP", Choice("start", "stop"), required=False)
@option("--product", type=Choice("lxd", "incus"), metavar="PRODUCT", help="the product to imitate")
@flag("--empty", help="start without images")
def run_demo(invocation: Invocation, action: str | None, product: str | None, empty: bool) -> Client | None:
    """Start a demo server in this kernel and connect to it."""
    from lxdimg_nb import demo

    session = invocation.session
    if action == "stop":
        _stop_demo(session)
        return None
    if session.demo is not None and session.demo.closed:
        session.demo = None
    if session.demo is not None and (product or empty):
        raise InvalidRequestError(
            f"a demo server is already running at {session.demo.url}; "
            "%lxdimg demo connects to it, %lxdimg demo stop stops it"
        )
    if session.demo is None:
        session.demo = demo.start(product="incus" if product == "incus" else "lxd", inventory=not empty)
        echo(f"this is a demo server with small images, at {session.demo.url}; it ends with the kernel")
    return session.connect(session.demo.url)


def _stop_demo(session: Session) -> None:
    if session.demo is None:
        raise InvalidRequestError("no demo server was started here; %lxdimg demo starts one")
    if session.current is not None and session.current.url == session.demo.url:
        session.connect_lazily("")
    session.demo.close()
    session.demo = None
    echo("the demo server has stopped, and its images are gone")


VERBS = (connect, remotes, status, run_demo)
