"""`list` and `catalogue`: images as a frame or as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lxdimg_nb import filters
from lxdimg_nb.client.simplestreams.catalogue_client import CatalogueClient
from lxdimg_nb.client.verbs.read.used_by import users_of_images
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.line.command import argument, flag, verb
from lxdimg_nb.magics.line.options import ALL_PROJECTS, COLUMN_OPTION, FORMAT
from lxdimg_nb.magics.line.server_types import FILTER, REMOTE, REMOTE_COLON, Remote, separate_remote
from lxdimg_nb.magics.line.types import first_matching
from lxdimg_nb.magics.session.session import Invocation
from lxdimg_nb.magics.show.columns import COLUMN_LETTERS, column_names
from lxdimg_nb.magics.show.text_formats import as_text
from lxdimg_nb.values import ImageRecord


@verb("list")
@argument("words", "REMOTE:|FILTER", first_matching(REMOTE_COLON, FILTER), required=False, many=True)
@COLUMN_OPTION
@FORMAT
@ALL_PROJECTS
@flag("--used-by", help="with the instances made from each image")
def list_images(invocation: Invocation, words: Sequence[str], **view: Any) -> Any:
    """Images as a frame, filtered: os=ubuntu size>1GiB age>90d.

    REMOTE: lists the images of another server.
    """
    remote, terms = separate_remote(words)
    return _listed(invocation, remote, terms, **view)


@verb("catalogue")
@argument("remote", "REMOTE", REMOTE)
@argument("terms", "FILTER", FILTER, required=False, many=True)
@COLUMN_OPTION
@FORMAT
@flag("--again", help="fetch the catalogue again, however recent it is")
def catalogue(invocation: Invocation, remote: Remote, terms: Sequence[str], again: bool, **view: Any) -> Any:
    """The images that a simplestreams remote offers, as a frame."""
    client = invocation.session.client_for(remote)
    if not isinstance(client, CatalogueClient):
        raise InvalidRequestError(f"{str(remote)!r} is a server, not a catalogue; write %lxdimg list {remote}:")
    if again:
        client.reload()
    return _listed(invocation, remote, terms, **view)


def _listed(
    invocation: Invocation,
    remote: str,
    terms: Sequence[str],
    *,
    columns: str | None,
    form: str | None,
    all_projects: bool = False,
    used_by: bool = False,
) -> Any:
    from lxdimg_nb.inventory import make_frame

    text = " ".join(terms)
    filters.parse(text)  # Report mistakes before the server is asked.
    client = invocation.client(remote)
    records = client.images.records(all_projects=all_projects)
    if not all_projects:
        invocation.session.known_images(client).learn(records)
    wanted = filters.parse(text, known_properties={key for record in records for key in record.properties})
    now = client.server_project.now
    kept: Sequence[ImageRecord] = [r for r in records if wanted.matches(r, now)] if wanted else records
    frame = make_frame(
        kept,
        server=client.url,
        project=client.images.project,
        all_projects=all_projects,
        product=client.info.product,
        identity=client.info.certificate_fingerprint,
        clock_offset=client.transport.clock_offset,
        filter=str(wanted),
        used_by=users_of_images(client.server_project) if used_by else None,
        left_out=client.images.left_out,
    )
    if columns is None and form in (None, "table"):
        return frame
    index = ["fingerprint", "project"] if all_projects else ["fingerprint"]
    names = column_names(columns or ("e" if all_projects else "") + "lfpdatsu", list(frame.columns), index)
    if used_by:
        names.append("used_by")
    plain = dict.fromkeys(COLUMN_LETTERS.get(name, name) for name in names)
    shown = frame if columns is None else frame[[name for name in plain if name in frame.columns]]
    if form in (None, "table"):
        return shown
    return as_text(form, [record.raw for record in kept], shown, frame.reset_index(), names)


VERBS = (list_images, catalogue)
