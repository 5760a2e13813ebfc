"""A clock or a certificate that is years off is told of by dates, not as a certificate of a stranger."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

import lxdimg_nb
from lxdimg_nb.client.http.diagnosis import certificate_errors
from lxdimg_nb.client.http.endpoint import Endpoint, pem_fingerprint
from lxdimg_nb.client.http.transport import Transport
from lxdimg_nb.errors import LxdImageError, NotAllowedError, ServerUnreachableError
from lxdimg_nb.text.formats import timestamp
from tests.kit import certificates
from tests.kit.counts import count
from tests.kit.hostile_server import HostileServer
from tests.kit.servers import RunningServer

YEARS = timedelta(days=3650)
OLD = {"since": -2 * YEARS, "until": -YEARS}
NEW = {"since": YEARS, "until": 2 * YEARS}


def refusal(folder: Path, server: dict[str, timedelta], authority: dict[str, timedelta], *, pin: bool = False) -> str:
    """What is said of a server with these dates in its certificate and in that of its authority."""
    signer = certificates.pair(folder, "authority", authority=True, **authority)
    pair = certificates.pair(folder, "server", signer=signer, **server)
    pinned = pair[0].read_text() if pin else ""
    with HostileServer(certificate=pair) as listening:
        transport = Transport(Endpoint(listening.url, ca=str(signer[0]), pinned=pinned))
        said = []
        for ask in (lambda: transport.request("GET", "/1.0"), transport.open_socket):
            try:
                found = ask()
            except ServerUnreachableError as error:
                assert pin or pem_fingerprint(pair[0].read_text()) in error.message
                said.append(str(error))
            else:
                if isinstance(found, ssl.SSLSocket):
                    found.close()
        transport.close()
    assert len(set(said)) <= 1
    return "".join(said[:1])


@pytest.mark.parametrize("whose", ["server", "authority"])
@pytest.mark.parametrize("dates", [OLD, NEW], ids=["old", "new"])
def test_dates_that_are_years_off_are_named(tmp_path: Path, whose: str, dates: dict[str, timedelta]) -> None:
    said = refusal(tmp_path, **({"server": {}, "authority": {"until": YEARS}} | {whose: dates}))

    made = x509.load_pem_x509_certificate((tmp_path / f"{whose}.crt").read_bytes())
    old, new = timestamp(made.not_valid_after_utc), timestamp(made.not_valid_before_utc)
    words = f"expired at {old}, and" if dates is OLD else f"is not valid before {new}, and"
    assert f"{words} this machine's clock says " in said
    assert ("of an authority whose own certificate" in said) == (whose == "authority")
    assert "set this machine's clock" in said
    assert "no authority" not in said
    count("a clock ten years off", inputs=1, survived=1)


@pytest.mark.parametrize("dates", [{}, OLD, NEW], ids=["valid", "old", "new"])
def test_the_dates_of_a_pinned_certificate_are_nobody_s_business(tmp_path: Path, dates: dict[str, timedelta]) -> None:
    assert refusal(tmp_path, dates, {}, pin=True) == ""
    count("a clock ten years off", inputs=1)


def test_an_intermediate_authority_that_is_not_known_here_is_told_of_without_a_date(tmp_path: Path) -> None:
    root = certificates.pair(tmp_path, "root", authority=True, until=YEARS)
    middle = certificates.pair(tmp_path, "middle", authority=True, signer=root, **OLD)
    cert, key = certificates.pair(tmp_path, "server", signer=middle)
    cert.write_text(cert.read_text() + middle[0].read_text())

    with (
        HostileServer(certificate=(cert, key)) as listening,
        pytest.raises(ServerUnreachableError, match="of an authority whose own certificate has expired") as caught,
    ):
        Transport(Endpoint(listening.url, ca=str(root[0]))).request("GET", "/1.0")

    assert "this machine's clock says" in caught.value.message


def test_a_certificate_of_another_name_is_not_one_of_a_stranger(tmp_path: Path) -> None:
    signer = certificates.pair(tmp_path, "authority", authority=True)
    pair = certificates.pair(tmp_path, "server", signer=signer, host="else.example")

    for host in ("127.0.0.1", "localhost"):
        with HostileServer(certificate=pair) as listening:
            url = listening.url.replace("127.0.0.1", host)
            with pytest.raises(ServerUnreachableError, match=f"a certificate for else.example and not for {host}"):
                Transport(Endpoint(url, ca=str(signer[0]))).request("GET", "/1.0")


def test_a_client_certificate_that_is_years_off_is_named_and_one_of_these_days_is_not(
    server: RunningServer, tmp_path: Path
) -> None:
    """The demo refuses it while TLS is negotiated, LXD and Incus afterwards."""
    url = server.listen()
    pinned = certificates.of_server(url)
    for name, dates in (("old", OLD), ("new", NEW), ("valid", {})):
        pair = certificates.pair(tmp_path, name, **dates)

        with pytest.raises(LxdImageError) as caught:
            lxdimg_nb.connect(url, cert=pair, server_cert=pinned).images.all()

        words = {"old": "expired at", "new": "is not valid before"}.get(name, "")
        assert (f"your client certificate {pair[0]} {words}" in caught.value.message) == bool(words)
        assert words or isinstance(caught.value, NotAllowedError)
    count("a clock ten years off", inputs=2, survived=2)


def test_an_error_that_never_names_dates_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_errors, "_DATES", ())

    assert "expired" not in refusal(tmp_path, OLD, {})
