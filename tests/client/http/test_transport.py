"""Connections outside of the pool, as the websocket of events needs them."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from lxdimg_nb.client.http.endpoint import Endpoint
from lxdimg_nb.client.http.transport import Transport
from lxdimg_nb.errors import ServerUnreachableError
from tests.kit import certificates
from tests.kit.servers import RunningServer


def test_a_separate_socket_is_opened_with_the_certificates_of_requests(demo: RunningServer, tmp_path: Path) -> None:
    assert demo.https_url is not None
    pinned = certificates.of_server(demo.https_url)
    other = Path(certificates.pair(tmp_path, "other")[0]).read_text()

    with Transport(Endpoint(demo.https_url, pinned=pinned)).open_socket() as connected:
        assert isinstance(connected, ssl.SSLSocket)
    for endpoint in (Endpoint(demo.https_url, pinned=other), Endpoint(demo.https_url)):
        with pytest.raises(
            ServerUnreachableError, match=r"shows (another certificate|a certificate that no authority)"
        ):
            Transport(endpoint).open_socket()


def test_a_separate_socket_to_nobody_is_an_error(tmp_path: Path) -> None:
    for endpoint in (Endpoint("https://127.0.0.1:1"), Endpoint("", socket=str(tmp_path / "none.socket"))):
        with pytest.raises(ServerUnreachableError, match="is the daemon running"):
            Transport(endpoint).open_socket()
