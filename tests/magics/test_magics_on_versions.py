"""Every verb of %lxdimg on servers that speak other versions of LXD and Incus."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lxdimg_nb.magics.verbs.alias_verbs import ALIAS_GROUP
from lxdimg_nb.magics.verbs.plan_verbs import PLAN_GROUP
from lxdimg_nb.magics.verbs.root import LXDIMG
from tests.kit import counts, factory, streams
from tests.kit.kernel import Kernel, remotes, store
from tests.kit.servers import RunningServer
from tests.kit.spoken import demos, spoken, versions
from tests.kit.streams import Site

__all__ = ["demos", "spoken"]

pytestmark = pytest.mark.slow
WEB = factory.fingerprint(factory.small(1))
NEW = factory.fingerprint(factory.small(2))

READS = f"""
%lxdimg
table = %lxdimg status
frame = %lxdimg list
assert list(frame.index) == [{WEB!r}]
text = %lxdimg list os=Ubuntu -c lfps --format csv
image = %lxdimg info web
assert image.fingerprint == {WEB!r}
text = %lxdimg show {WEB[:12]}
assert "public: false" in text
value = %lxdimg get-property web os
assert value == "Ubuntu"
users = %lxdimg used-by web
assert users == ["default/c1"], users
names = %lxdimg alias list
assert list(names.index) == ["web"], names
inside = %lxdimg contents web
found = %lxdimg check new.tar.gz
assert found.ok and found.fingerprint == {NEW!r}
text = %lxdimg help list
names = %lxdimg remotes
panel = %lxdimg panel
panel.close()
"""
CHANGES = """
image = %lxdimg set web public=yes expires_at=2031-02-03 --yes
image = %lxdimg set web public=no expires_at=never
image = %lxdimg set-property web note before
image = %lxdimg set-property web gone soon
image = %lxdimg unset-property web gone
alias = %lxdimg alias create other web --description words
alias = %lxdimg alias rename other third
changes = %lxdimg diff $frame
assert sorted(changes.field) == ["properties.note", "third"], list(changes.field)
"""
TRANSFERS = """
image = %lxdimg import new.tar.gz color=red --alias new --public
assert image.public and image.properties["color"] == "red"
alias = %lxdimg alias point third new
%lxdimg alias delete third
begun = %lxdimg import meta root --alias split --background
table = %lxdimg transfers
number = table.index[-1]
transfer = %lxdimg transfers $number
made = %lxdimg export split out
assert len(made.paths) == 2
copy = %lxdimg copy new --target-project other --copy-aliases
assert copy.project == "other"
image = %lxdimg publish c1 --alias golden os=mine --compression none
assert image.properties["os"] == "mine"
"""
CATALOGUE = """
rows = %lxdimg catalogue store release=noble
image = %lxdimg copy store:noble here: --alias noble --auto-update
assert image.auto_update
image = %lxdimg refresh noble
"""
PLAN = """%%lxdimg plan -o plan
set:
  filter: alias=golden
  public: yes
  properties: {team: blue}
"""
EDIT = """%%lxdimg edit web --yes
properties: {os: Debian, note: after}
"""
HEARS = """
import threading, lxdimg_nb
client = lxdimg_nb.connect("{url}")
over = threading.Event()
def change():
    image = client.images.get("web")
    while not over.wait(0.1):
        image.public = not image.public
        image.update()
thread = threading.Thread(target=change)
thread.start()
events = %lxdimg monitor --types lifecycle --count 1 --for 60s
over.set()
thread.join()
assert list(events.what) == ["image-updated"]
client.close()
%lxdimg delete web --yes
"""
LINES = "".join((READS, CHANGES, TRANSFERS, CATALOGUE, PLAN, EDIT, HEARS))
# Of these the server, and with it the version, is another one, or none.
ELSEWHERE = {"demo"}


@pytest.mark.parametrize("version", versions())
def test_every_verb(
    spoken: RunningServer,
    version: str,
    shared_kernel: Kernel,
    configuration: Path,
    site: Site,
    tmp_path: Path,
) -> None:
    spoken.add_instance("c1", spoken.add_image(factory.small(1), aliases=["web"]))
    spoken.add_project("other")
    (tmp_path / "new.tar.gz").write_bytes(factory.small(2))
    for name, half in zip(("meta", "root"), factory.split(4), strict=True):
        (tmp_path / name).write_bytes(half)
    (tmp_path / "out").mkdir()
    streams.noble(site, metadata="incus.tar.xz" if spoken.product == "incus" else "lxd.tar.xz")
    store(configuration, site.url, Path(site.cert).read_text())
    here = {"addr": spoken.url, "protocol": spoken.product}
    remotes(configuration, here=here, store={"addr": site.url, "protocol": "simplestreams", "public": True})
    run: Callable[..., object] = shared_kernel.run

    run(f"%cd -q {tmp_path}\n%lxdimg connect here:")
    run(READS)
    run(CHANGES)
    run(EDIT)
    image = spoken.get(f"images/{WEB}")
    assert (image["public"], image["properties"]) == (False, {"os": "Debian", "note": "after"})
    assert {a["name"] for a in image["aliases"]} == {"web", "third"}
    run(TRANSFERS)
    assert factory.fingerprint(*sorted((tmp_path / "out").iterdir(), key=lambda p: "root" in p.name)) == (
        factory.fingerprint(*factory.split(4))
    )
    assert [a["name"] for a in spoken.get(f"images/{NEW}?project=other")["aliases"]] == ["new"]
    run(CATALOGUE)
    run(PLAN)
    run("receipts = %lxdimg plan apply $plan --yes\n")
    run(HEARS.format(url=spoken.url))

    named = {a["name"] for a in spoken.get("images/aliases?recursion=1")}
    assert named == {"new", "split", "noble", "golden"}
    golden = spoken.get(f"images/{spoken.get('images/aliases/golden')['target']}")
    assert (golden["public"], golden["properties"]["team"]) == (True, "blue")
    counts.count("versions in magics", inputs=1)


def test_every_verb_has_its_line() -> None:
    names = {*LXDIMG.commands} - ELSEWHERE
    names |= {
        f"{group} {name}" for group, one in (("alias", ALIAS_GROUP), ("plan", PLAN_GROUP)) for name in one.commands
    }
    said = LINES + "%lxdimg connect\n%lxdimg plan apply"

    assert {name for name in names if not re.search(rf"%lxdimg {name}\b", said)} == set()


@pytest.mark.parametrize("version", ["incus-7.5"])
def test_an_import_that_sets_nothing_is_noticed(
    spoken: RunningServer, version: str, shared_kernel: Kernel, tmp_path: Path
) -> None:
    """The canary."""
    (tmp_path / "new.tar.gz").write_bytes(factory.small(2))
    shared_kernel.run(f"%cd -q {tmp_path}\n%lxdimg connect {spoken.url}")
    shared_kernel.run("from lxdimg_nb.client.verbs.write.settings import Settings\nright = Settings.apply")
    shared_kernel.run("Settings.apply = lambda self, project, record, names: record")

    cell = shared_kernel.run(TRANSFERS, ok=False)
    shared_kernel.run("Settings.apply = right")

    assert (cell.ename, cell.evalue) == ("KeyError", "'color'")
