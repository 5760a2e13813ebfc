"""Enrolment that is refused: said without the token, and nothing is left behind."""

from __future__ import annotations

import base64
import json
import pickle
import shutil
import traceback
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb.client.enrolling import TrustToken
from lxdimg_nb.errors import (
    ConflictError,
    FingerprintMismatchError,
    InvalidRequestError,
    LxdImageError,
    NotAllowedError,
    ServerUnreachableError,
    UnexpectedReplyError,
)
from tests.kit import streams
from tests.kit.homes import files_in, token_of
from tests.kit.servers import RunningServer
from tests.kit.sockets import free_port
from tests.kit.streams import Handler


def _secretless(error: BaseException, *secrets: str) -> None:
    shown = [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]
    shown.append(repr(pickle.loads(pickle.dumps(error))))  # noqa: S301 - our own
    for secret in secrets:
        assert not any(secret in text for text in shown)


def _secret(token: str) -> str:
    return str(json.loads(base64.b64decode(token))["secret"])


def test_a_used_token_is_said_and_leaves_nothing_behind(
    listening: RunningServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = token_of(listening)
    lxdimg_nb.enroll(token)
    monkeypatch.setenv("LXDIMG_CONF", str(home / "second"))

    with pytest.raises(NotAllowedError, match="used") as caught:
        lxdimg_nb.enroll(token)

    _secretless(caught.value, token, _secret(token))
    assert sorted(files_in(home / "second")) == ["client.crt", "client.key"]
    with pytest.raises(LxdImageError):
        lxdimg_nb.connect(listening.listen())


def test_a_token_with_a_wrong_secret_is_refused(listening: RunningServer, home: Path) -> None:
    data = json.loads(base64.b64decode(token_of(listening)))
    data |= {"secret": "f" * 64, "expires_at": "2020-02-03T04:05:06Z"}
    token = base64.b64encode(json.dumps(data).encode()).decode()

    with pytest.raises(NotAllowedError, match="2020-02-03 04:05") as caught:
        lxdimg_nb.enroll(token)

    _secretless(caught.value, token, "f" * 64)
    assert listening.get("certificates") == []


def test_being_trusted_already_is_said_and_the_token_stays_good(listening: RunningServer, home: Path) -> None:
    url = listening.listen()
    first = lxdimg_nb.enroll(url, token=token_of(listening))
    token = token_of(listening, "other")

    with pytest.raises(ConflictError, match="trusts this client") as caught:
        lxdimg_nb.enroll(url, token=token)
    again = lxdimg_nb.enroll(url, token=token, exist_ok=True)

    _secretless(caught.value, token)
    assert again == first
    with lxdimg_nb.connect(url) as client:
        assert client.info.trusted
    shutil.rmtree(home / ".config")
    assert lxdimg_nb.enroll(token).cert


def test_a_name_that_is_taken_is_said_before_the_token_is_used(listening: RunningServer, home: Path) -> None:
    program = "incus" if listening.product == "incus" else "lxc"
    token = token_of(listening)
    for name in ("images", "local"):
        with pytest.raises(ConflictError, match="choose another"):
            lxdimg_nb.enroll(token, name=name)
    for name in ("../x", "a:b", "", "-x", "a/b", "a" * 80, "a..b"):
        with pytest.raises(InvalidRequestError):
            lxdimg_nb.enroll(token, name=name)

    assert lxdimg_nb.enroll(token, name="free").full_name == f"{program}:free"


def test_another_server_than_the_tokens_gets_nothing(listening: RunningServer, home: Path, tmp_path: Path) -> None:
    token = token_of(listening)
    with streams.serving(tmp_path / "site") as site:
        with pytest.raises(FingerprintMismatchError, match="nothing was sent") as caught:
            lxdimg_nb.enroll(site.url, token=token)

        assert site.asked == []
    _secretless(caught.value, token, _secret(token))
    assert caught.value.expected != caught.value.actual
    assert files_in(home) == {}


def test_the_tokens_addresses_are_tried_until_one_is_the_server(
    listening: RunningServer, home: Path, tmp_path: Path
) -> None:
    data = json.loads(base64.b64decode(token_of(listening)))
    own = listening.listen().removeprefix("https://")
    with streams.serving(tmp_path / "site") as site:
        data["addresses"] = [f"127.0.0.1:{free_port()}", site.url.removeprefix("https://"), own]
        remote = lxdimg_nb.enroll(base64.b64encode(json.dumps(data).encode()).decode())

        assert remote.addresses == (listening.listen(),)
        assert site.asked == []


def test_nobody_at_the_address_is_said(home: Path) -> None:
    data = {"client_name": "x", "fingerprint": "a" * 64, "addresses": [f"127.0.0.1:{free_port()}"], "secret": "s" * 64}
    token = base64.b64encode(json.dumps(data).encode()).decode()

    with pytest.raises(ServerUnreachableError, match="no server answers") as caught:
        lxdimg_nb.enroll(token)

    _secretless(caught.value, token, "s" * 64)


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        {"client_name": "x", "secret": "s", "fingerprint": "../x"},
        {"client_name": "x", "fingerprint": "a" * 64},
        {"server_name": "c2", "secret": "s", "fingerprint": "a" * 64, "addresses": []},
        {"client_name": "x", "secret": "s", "fingerprint": "a" * 64, "addresses": "h:1"},
        {"client_name": "x", "secret": "s", "fingerprint": "a" * 64, "addresses": ["h:port"]},
        {"client_name": "x", "secret": "s", "fingerprint": "a" * 64, "addresses": ["h/../..:1"]},
    ],
)
def test_what_is_no_trust_token_is_said(home: Path, data: object) -> None:
    token = base64.b64encode(json.dumps(data).encode()).decode()

    with pytest.raises(InvalidRequestError) as caught:
        lxdimg_nb.enroll(token)

    _secretless(caught.value, token)


@pytest.mark.parametrize("token", ["", "geheim!", "Z2VoZWlt", "x" * 100_000, "https://127.0.0.1:8443", "W" * 4000])
def test_text_that_is_no_token_is_not_repeated(home: Path, token: str) -> None:
    for arguments in ([token], ["https://127.0.0.1:1", token]):
        with pytest.raises(InvalidRequestError) as caught:
            lxdimg_nb.enroll(*arguments)
        if token and not token.startswith("https"):
            _secretless(caught.value, token)


def test_a_token_never_shows_itself() -> None:
    data = {"client_name": "x", "secret": "geheim", "fingerprint": "a" * 64}
    text = base64.b64encode(json.dumps(data).encode()).decode()

    assert text not in repr(TrustToken.parse(text))
    assert "geheim" not in repr(TrustToken.parse(text))


def test_a_server_that_echoes_the_token_does_not_get_it_into_the_error(home: Path, tmp_path: Path) -> None:
    with streams.serving(tmp_path / "site") as site:
        from lxdimg_nb.client.http.endpoint import pem_fingerprint

        data = {"client_name": "x", "secret": "s" * 64, "fingerprint": pem_fingerprint(site.pem)}
        token = base64.b64encode(json.dumps(data).encode()).decode()
        info = {"api_version": "1.0", "auth": "untrusted", "api_extensions": ["explicit_trust_token"]}
        envelope = {"type": "sync", "status_code": 200, "metadata": info}
        site.answers["/1.0"] = lambda h: h.reply(200, json.dumps(envelope).encode())

        def echo(handler: Handler) -> None:
            body = handler.rfile.read(int(handler.headers["Content-Length"]))
            text = json.dumps({"type": "error", "error_code": 500, "error": f"cannot use {body.decode()}"})
            handler.reply(500, text.encode())

        site.answers["/1.0/certificates"] = echo
        with pytest.raises(LxdImageError) as caught:
            lxdimg_nb.enroll(site.url, token=token)

    assert "did not enroll" in str(caught.value)
    _secretless(caught.value, token, "s" * 64)


@pytest.mark.parametrize(
    ("extensions", "kind", "path", "field"),
    [
        (["devlxd_images"], "", "/1.0/certificates", "password"),
        (["devlxd_images", "explicit_trust_token"], "", "/1.0/certificates", "trust_token"),
        (["devlxd_images", "explicit_trust_token"], "Client certificate", "/1.0/auth/identities/tls", "trust_token"),
        (["dev_incus_images"], "", "/1.0/certificates", "trust_token"),
        (None, "", "/1.0/certificates", "trust_token"),
    ],
    ids=["LXD 5.0", "LXD 5.21", "LXD 6 identity", "Incus", "Incus 7"],
)
def test_the_token_goes_where_each_server_wants_it(
    home: Path, tmp_path: Path, extensions: list[str] | None, kind: str, path: str, field: str
) -> None:
    from lxdimg_nb.client.http.endpoint import pem_fingerprint

    sent: list[tuple[str, dict[str, Any]]] = []
    info = {"api_version": "1.0", "auth": "untrusted", "api_extensions": extensions}

    def take(handler: Handler) -> None:
        sent.append((handler.path, json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))))
        info["auth"] = "trusted"
        handler.reply(201, json.dumps({"type": "sync", "status_code": 201, "metadata": None}).encode())

    with streams.serving(tmp_path / "site") as site:
        data = {"client_name": "x", "secret": "s" * 64, "fingerprint": pem_fingerprint(site.pem), "type": kind}
        token = base64.b64encode(json.dumps(data).encode()).decode()
        site.answers["/1.0"] = lambda h: h.reply(200, json.dumps({"type": "sync", "metadata": info}).encode())
        site.answers["/1.0/certificates"] = site.answers["/1.0/auth/identities/tls"] = take

        lxdimg_nb.enroll(site.url, token=token)

    assert [(where, body[field]) for where, body in sent] == [(path, token)]
    assert set(sent[0][1]) <= {"type", field}


def test_a_web_server_is_not_enrolled_at(home: Path, tmp_path: Path) -> None:
    with streams.serving(tmp_path / "site") as site:
        from lxdimg_nb.client.http.endpoint import pem_fingerprint

        data = {"client_name": "x", "secret": "s" * 64, "fingerprint": pem_fingerprint(site.pem)}
        token = base64.b64encode(json.dumps(data).encode()).decode()

        with pytest.raises(UnexpectedReplyError):
            lxdimg_nb.enroll(site.url, token=token)

        assert {method for method, _, _ in site.asked} == {"GET"}
    assert files_in(home) == {}


def test_a_folder_that_cannot_be_written_is_said_before_the_token_is_used(
    listening: RunningServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = token_of(listening)
    (home / "file").write_text("x")
    monkeypatch.setenv("LXDIMG_CONF", str(home / "file" / "below"))

    with pytest.raises(InvalidRequestError, match="cannot make"):
        lxdimg_nb.enroll(token)
    monkeypatch.delenv("LXDIMG_CONF")

    assert lxdimg_nb.enroll(token).name
