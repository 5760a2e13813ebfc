"""A session that meets every secret there is writes none of them to a file: notebook, history, spool, temporary files.

Only the key of the client is on the disk, in its own file, 0600.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.kit import factory
from tests.kit.homes import token_of
from tests.kit.kernel import ROOT, private_sockets
from tests.kit.servers import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]

CELLS = (
    # Nothing secret is typed, nor in a variable: what is, a verbose traceback shows of the user's own frames.
    "import lxdimg_nb as lxdimg, logging, pathlib\n%load_ext lxdimg_nb\n%xmode Verbose\n"
    "logging.basicConfig(level=logging.DEBUG, filename='log.txt')\n"
    "def vault(name): return (pathlib.Path({vault!r}) / name).read_text()",
    "token = vault('token')\nclient = %lxdimg connect {url} --token $token --name lab\ndel token\nclient",
    "lxdimg.enroll({url!r}, vault('token'))",
    "image = client.images.get('private')\n(pathlib.Path({vault!r}) / 'secret').write_text(image.secret());",
    "client.transport.request('GET', f'/1.0/images/{{image.fingerprint}}', params={{'secret': vault('secret')}})",
    "client.transport.request('GET', '/1.0/images/none', params=dict(secret=vault('secret')))",
    "client.images.create_from_url(vault('url'), by='client')",
    "lxdimg.connect('simplestreams+' + vault('url'))",
    "client.images.panel()",
    "df = client.images.df(used_by=True)\ndf",
    "lxdimg.History('history').record(df)",
    "df.to_pickle('frame.pickle')\ndf.reset_index().to_csv('frame.csv')",
    "plan = lxdimg.plan.set(df, public=True)\nplan",
    "image.contents()",
    "image.export('.')",
    "%lxdimg export private bundle.tar --bundle",
    "%lxdimg",
    "%lxdimg remotes",
    "client.info",
)


def files_with(folder: Path, canaries: Iterable[str]) -> list[str]:
    """The files below a folder that hold one of the texts, in any common spelling of it."""
    spellings = [form for text in canaries for form in (text.encode(), text.encode("utf-16-le"))]
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(str(path.relative_to(folder)) for path in found if any(s in path.read_bytes() for s in spellings))


def test_no_secret_is_written_anywhere(demo: RunningServer, tmp_path: Path) -> None:
    work, temporary, vault = tmp_path / "work", tmp_path / "tmp", tmp_path / "vault"
    for folder in (work, temporary, vault):
        folder.mkdir()
    demo.add_image(factory.small(1), aliases=["private"])
    url, token = demo.listen(), token_of(demo)
    (vault / "token").write_text(token)
    (vault / "url").write_text("https://me:canary-password@127.0.0.1:1/x?signature=canary-signature")
    cells = [cell.format(url=url, vault=str(vault)) for cell in CELLS]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LXD", "INCUS"))}
    environment |= {
        "HOME": str(work),
        "IPYTHONDIR": str(work / "ipython"),
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(temporary),
        "LXDIMG_SPOOL": str(temporary / "spool"),
        "LXD_DIR": str(work / "none"),
        "INCUS_DIR": str(work / "none"),
    }

    with private_sockets() as settings:
        nbclient.NotebookClient(
            book,
            config=settings,
            timeout=120,
            allow_errors=True,
            store_widget_state=True,
            resources={"metadata": {"path": str(work)}},
        ).execute(env=environment)
    nbformat.write(book, work / "saved.ipynb")

    keys = list(work.rglob("client.key"))
    # The second line is the first of the key itself.
    lines = [key.read_text().splitlines()[1] for key in keys]
    canaries = [token, (vault / "secret").read_text(), "canary-password", "canary-signature", *lines]
    failed = [o.ename for cell in book.cells for o in cell.get("outputs", ()) if o.output_type == "error"]
    found = [name for name in files_with(tmp_path, canaries) if not name.startswith("vault/")]
    assert [name for name in found if not name.endswith("/client.key")] == []
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert len(failed) == 4
    assert "/1.0/images/" in (work / "log.txt").read_text()
    assert (work / "bundle.tar").exists()
    # The scan finds what was planted.
    (temporary / "planted").write_bytes(b"\0" + canaries[1].encode() + b"\0")
    assert "tmp/planted" in files_with(tmp_path, canaries)
