"""Verbs of a user whose certificate is for one project: one line says what it may not do, and nothing is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import certificates, factory
from tests.kit.kernel import Kernel
from tests.kit.servers import RunningServer

MINE = factory.fingerprint(factory.small(1))
OPEN = factory.fingerprint(factory.small(3))


@pytest.mark.slow
def test_what_a_restricted_certificate_may_not_do_is_one_line(
    shared_kernel: Kernel, server: RunningServer, tmp_path: Path
) -> None:
    for name in ("mine", "theirs"):
        server.add_project(name)
    server.add_image(factory.small(1), ["web"], project="mine")
    server.add_image(factory.small(2), ["secret"], project="theirs")
    server.add_image(factory.small(3), ["open"], public=True)
    (tmp_path / "new.tar.gz").write_bytes(factory.small(4))
    url = server.listen()
    cert, key = certificates.restricted(server, tmp_path / "pair", "mine")
    (tmp_path / "server.crt").write_text(certificates.of_server(url))
    shared_kernel.run(
        f"import lxdimg_nb\nclient = lxdimg_nb.connect({url!r}, cert=({str(cert)!r}, {str(key)!r}), "
        f"server_cert={str(tmp_path / 'server.crt')!r}, project='mine')"
    )
    run = shared_kernel.run
    run("%lxdimg connect $client")

    run("df = %lxdimg list --all-projects\nimage = %lxdimg set-property web note mine")
    names = shared_kernel.value("sorted(df.index.get_level_values('fingerprint'))")
    refused = [
        run(f"%lxdimg {line}", ok=False)
        for line in (
            "list --project theirs",
            "info secret --project theirs",
            "copy web --target-project theirs",
            f"import {tmp_path / 'new.tar.gz'} --project theirs",
        )
    ]

    assert MINE in names
    assert factory.fingerprint(factory.small(2)) not in names
    for cell in refused:
        assert cell.ename == "UsageError"
        assert "no project 'theirs'" in cell.stderr
        assert "or not for this connection" in cell.stderr
        assert cell.stderr.count("\n") == 1
    assert len(server.get("images?project=theirs")) == 1
    assert server.get(f"images/{MINE}?project=mine")["properties"]["note"] == "mine"
    run("client.close()")
