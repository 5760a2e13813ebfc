"""Advice of the client that `%lxdimg` gives in verbs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb.magics.session.messages import format_error

SOURCE = "".join(path.read_text() for path in (Path(lxdimg_nb.__file__).parent / "client").rglob("*.py"))
# A message may be written in several pieces.
MESSAGES = re.sub(r'"\s*\n?\s*f?"', "", SOURCE)


@pytest.mark.parametrize(
    ("message", "written"),
    [
        ("list them with images.all()", "list them with images.all()"),
        ("list them with images.aliases.all()", "list them with images.aliases.all()"),
        ("move it with images.aliases.point('web', to=…)", "move it with images.aliases.point({name!r}, to=…)"),
        ("nothing was sent (exist_ok=True returns it)", "nothing was sent (exist_ok=True returns it)"),
        ("connect('https://host:8443')", "connect('https://host:8443')"),
        ("connect(demo=True)", "connect(demo=True)"),
        ("or the name of a remote of lxc or incus", "or the name of a remote of lxc or incus"),
        ("error.tried names", "error.tried names"),
        ("x is already in project p on s", " is already in project {"),
        ("as it is now is already there: x", "as it is now is already there: {"),
        ("stopped meanwhile (stop=True)", "stopped meanwhile (stop=True)"),
        ("look with images.all()", "look with images.all()"),
        ("reload() shows theirs", "reload() shows theirs"),
        ("projects() names those there are", "projects() names those there are"),
        ("enroll('https://h', token=…)", "enroll('https://"),
        ("enroll(…) with a trust token", "enroll(…) with a trust token"),
        ("use by='client'", "use by='client'"),
    ],
)
def test_what_the_client_advises_in_python_is_advised_in_verbs(message: str, written: str) -> None:
    assert written in MESSAGES
    assert format_error(RuntimeError(message)) != message
