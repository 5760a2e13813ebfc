"""Verbs about the connection: where it goes, what is there, what can be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import InvalidRequestError, LxdImageError
from lxdimg_nb.magics.grammar import Argument, Call, Flag, Verb
from lxdimg_nb.magics.session.messages import advice
from lxdimg_nb.magics.session.prompts import secret
from lxdimg_nb.magics.session.session import say
from lxdimg_nb.text import formats
from lxdimg_nb.text.display import Table

if TYPE_CHECKING:
    from lxdimg_nb.client import Client
    from lxdimg_nb.magics.session.session import Session

__all__ = ["VERBS", "status"]

FEW = 200
PRODUCTS = {"lxd": "LXD", "incus": "Incus", "simplestreams": "simplestreams"}


def _connect(session: Session, call: Call) -> Client:
    from lxdimg_nb.client import Client

    words = call.some("URL|REMOTE")
    if words and isinstance(words[0].value, Client):
        client = words[0].value
        if call.project:
            client = client.in_project(call.project)
        session.use(client)
        return client
    options: dict[str, Any] = {}
    if call.has("--cert") or call.has("--key"):
        if not (call.has("--cert") and call.has("--key")):
            raise InvalidRequestError("--cert and --key go together")
        options["cert"] = (call.option("--cert"), call.option("--key"))
    if call.has("--server-cert"):
        options["server_cert"] = call.option("--server-cert")
    where = call.text("URL|REMOTE")
    if call.has("--token"):
        return _enrolled(session, call, where)
    if call.has("--name"):
        raise InvalidRequestError("--name goes with --token: it names the server that is enrolled")
    if options and not where:
        raise InvalidRequestError("certificates go with an address: %lxdimg connect https://host:8443 …")
    return session.connect(where.removesuffix(":"), call.project, **options)


def _enrolled(session: Session, call: Call, where: str) -> Client:
    """Have the server trust us by a token, which is neither shown nor typed where it would be kept."""
    from lxdimg_nb.client import enroll

    given = call.flags["--token"][-1]
    if given.variable:
        token = given.text
    elif given.text == "-":
        token = secret("token: ")
    else:
        raise InvalidRequestError(
            "what is typed here is kept in the history: write --token - to be asked for it, or --token $variable"
        )
    arguments = (where, token) if where else (token,)
    remote = enroll(*arguments, name=call.option("--name"), exist_ok=True)
    say(f"enrolled {remote.name} at {remote.addresses[0]}; %lxdimg connect {remote.name} leads there")
    return session.connect(remote.name, call.project)


def status(session: Session, call: Call) -> Table:
    """What `%lxdimg` alone shows; connects first where nothing is connected."""
    try:
        client = session.at("", call.project)
        info = client.reload()
        images = _amount(session, client)
    except LxdImageError as error:
        lost = (
            ("status", "not connected" if session.current is None else f"no answer from {session.current.url}"),
            ("why", advice(error)),
            ("next", "%lxdimg connect URL, or %lxdimg demo for a server to play with"),
        )
        return Table(("", ""), lost, title="%lxdimg")
    rows = (
        ("server", client.url),
        ("product", f"{PRODUCTS[info.product]} {info.version}".strip()),
        ("project", client.project + (" (with the images of default)" if info.shares_images else "")),
        ("access", info.auth),
        ("images", images),
        ("next", "%lxdimg list, %lxdimg info NAME, %lxdimg panel, %lxdimg help"),
    )
    return Table(("", ""), rows, title=f"{PRODUCTS[info.product]}{' ' + info.name if info.name else ''}")


def _amount(session: Session, client: Client) -> str:
    known = session.known(client)
    records = known.records()
    # What is kept current by events is milliseconds late, which shows right behind an import; few are asked for again.
    if not known.live or len(records) < FEW:
        records = client.images.records()
        known.learn(records)
    public = sum(record.public for record in records)
    total = formats.size(sum(record.size for record in records))
    return f"{len(records):,}, {total}, {public:,} of them public"


def _remotes(session: Session, call: Call) -> Any:
    del call
    from lxdimg_nb.client.config.remotes import named
    from lxdimg_nb.magics.show.listing import listing

    found = named()
    current = session.current.url if session.current is not None else ""
    rows = list(found.values())
    columns: dict[str, list[Any]] = {
        "address": [remote.addresses[0] if remote.addresses else "" for remote in rows],
        "protocol": [remote.protocol for remote in rows],
        "public": [remote.public for remote in rows],
        "project": [remote.project for remote in rows],
        "home": [remote.home for remote in rows],
        "connected": [current in remote.addresses for remote in rows],
    }
    return listing("remote", list(found), columns)


def _demo(session: Session, call: Call) -> Client | None:
    from lxdimg_nb import demo

    wanted = call.text("START|STOP") or "start"
    if wanted not in ("start", "stop"):
        raise InvalidRequestError(f"write %lxdimg demo, or %lxdimg demo stop; not {wanted!r}")
    if wanted == "stop":
        if session.demo is None:
            raise InvalidRequestError("no demo server was started here; %lxdimg demo starts one")
        connected = session.current is not None and session.current.url == session.demo.url
        if connected:
            session.prefer("")
        session.demo.close()
        session.demo = None
        say("the demo server is gone")
        return None
    if session.demo is not None and session.demo.closed:
        session.demo = None
    if session.demo is not None and (call.has("--product") or call.has("--empty")):
        raise InvalidRequestError(
            f"a demo server is there already, at {session.demo.url}; %lxdimg demo stop ends it, %lxdimg demo goes there"
        )
    if session.demo is None:
        session.demo = demo.start(product=call.option("--product") or "lxd", inventory=not call.has("--empty"))
        say(f"this is a demo server with small images, at {session.demo.url}; it ends with the kernel")
    return session.connect(session.demo.url)


VERBS = (
    Verb(
        "connect",
        "use this server from here on; without a word $LXDIMG_URL, else the local LXD or Incus",
        _connect,
        (Argument("URL|REMOTE", "remote", optional=True),),
        (
            Flag("--cert", "the client's certificate", "FILE", "file"),
            Flag("--key", "its key", "FILE", "file"),
            Flag("--token", "be trusted by a token: - asks for it, $variable holds it", "-|$VARIABLE", "variable"),
            Flag("--name", "keep the server that is enrolled under this name, for lxc or incus as well", "NAME"),
            Flag("--server-cert", "the one certificate to accept", "FILE", "file"),
        ),
        more="A client in a variable may be given as well: %lxdimg connect $client",
    ),
    Verb("remotes", "the servers that lxc, incus and enroll have names for, as a frame", _remotes),
    Verb("status", "server, version, project, trust, images; as %lxdimg alone", status),
    Verb(
        "demo",
        "start a demo server in this kernel and connect to it",
        _demo,
        (Argument("START|STOP", "text", optional=True, choices=("start", "stop")),),
        (
            Flag("--product", "whom to imitate", "PRODUCT", choices=("lxd", "incus")),
            Flag("--empty", "begin without images"),
        ),
    ),
)
