"""No token, secret, password, signature or key shows in an error, its chain, its frames' variables, or a log."""

from __future__ import annotations

import base64
import json
import logging
import os
import pickle
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from IPython.core.formatters import DisplayFormatter

import lxdimg_nb
from lxdimg_nb import Client, demo
from lxdimg_nb.client.config.client_certificate import ensure_key_pair
from lxdimg_nb.client.config.client_config import client_configs
from lxdimg_nb.demo import DemoServer
from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.text.secret import Secret, hide_address
from tests.kit import certificates, factory
from tests.kit.canaries import leaks
from tests.kit.homes import token_of
from tests.kit.servers import RunningServer
from tests.kit.sockets import free_port

PASSWORD, SIGNATURE = "canary-password", "canary-signature"
BASIC = base64.b64encode(f"me:{PASSWORD}".encode()).decode()


def seen_in(call: Callable[[], object], *canaries: str) -> list[str]:
    """Where the canaries show in the error that a call raises."""
    with pytest.raises(LxdImageError) as caught:
        call()
    assert pickle.loads(pickle.dumps(caught.value)).message == caught.value.message  # noqa: S301 - our own
    return leaks(caught.value, canaries, own=__file__)


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 403}, {"cut_after": 10}, {"status": 404}])
def test_a_token_does_not_show_when_a_server_refuses_it(demo: RunningServer, home: Path, fault: dict[str, int]) -> None:
    url, token = demo.listen(), token_of(demo)
    inside = base64.b64decode(token).decode().split('"secret": "')[1].split('"')[0]
    demo.demo.faults.add(method="POST", path="/certificates", **fault)

    assert seen_in(lambda: lxdimg_nb.enroll(url, token), token, inside) == []


@pytest.mark.parametrize("server", ["lxd", "incus"], indirect=True)
def test_a_token_that_was_used_does_not_show(server: RunningServer, home: Path) -> None:
    url, token = server.listen(), token_of(server)
    lxdimg_nb.enroll(url, token)
    server.clean()

    assert seen_in(lambda: lxdimg_nb.enroll(url, token), token) == []


@pytest.mark.parametrize("text", ["canary-no-token", base64.b64encode(b'{"secret": "canary"').decode()])
def test_what_is_no_token_does_not_show_either(home: Path, text: str) -> None:
    assert seen_in(lambda: lxdimg_nb.enroll("https://127.0.0.1:1", text), text, "canary") == []


@pytest.mark.parametrize("by", ["client", "server"])
def test_the_password_and_the_query_of_an_address_do_not_show(client: Client, by: str) -> None:
    url = f"https://me:{PASSWORD}@127.0.0.1:{free_port()}/image.tar.gz?signature={SIGNATURE}"

    def call() -> object:
        return client.images.create_from_url(url, by=by)  # type: ignore[arg-type]

    # What a server says about its own failure is its text: it may name the address.
    found = seen_in(call, PASSWORD, BASIC, *([SIGNATURE] if by == "client" else []))
    assert found == []


def test_the_password_of_a_catalogue_does_not_show(home: Path) -> None:
    address = f"simplestreams+https://me:{PASSWORD}@127.0.0.1:{free_port()}/x"

    assert seen_in(lambda: lxdimg_nb.connect(address), PASSWORD, BASIC) == []


@pytest.mark.parametrize("mode", ["pull", "push", "relay"])
@pytest.mark.parametrize("fault", [{"status": 500}, {"cut_after": 10}, {"fail_operation": "no"}])
def test_the_one_time_secret_of_a_copy_does_not_show(
    demo: RunningServer, monkeypatch: pytest.MonkeyPatch, other: DemoServer, mode: str, fault: dict[str, object]
) -> None:
    demo.add_image(factory.small(1))
    secrets: list[str] = []
    keep = Secret.__new__
    monkeypatch.setattr(Secret, "__new__", lambda cls, text="": secrets.append(str(text)) or keep(cls, text))
    other.faults.clear()
    other.faults.add(method="POST", path="/1.0/images", **fault)
    with lxdimg_nb.connect(demo.url) as source, lxdimg_nb.connect(other.url) as target:
        image = source.images.all()[0]
        demo.demo.faults.add(method="POST", path="/export", **fault)

        with pytest.raises(LxdImageError) as caught:
            image.copy(target, mode=mode)  # type: ignore[arg-type]

    assert leaks(caught.value, [text for text in secrets if text], own=__file__) == []


@pytest.fixture(scope="module")
def other() -> Iterator[DemoServer]:
    with demo.start(inventory=False) as server:
        yield server


def test_what_is_sent_below_a_telling_key_does_not_show(client: Client) -> None:
    def ask(**sent: object) -> Callable[[], object]:
        return lambda: client.transport.request("POST", "/1.0/nowhere", **sent)  # type: ignore[arg-type]

    assert seen_in(ask(params={"secret": "canary"}), "canary") == []
    assert seen_in(ask(json={"trust_token": "canary", "password": "canary", "name": "x"}), "canary") == []
    assert seen_in(ask(json={"name": "canary"}), "canary") != []


def test_keys_do_not_show(demo: RunningServer, tmp_path: Path) -> None:
    (crt, key), (_, wrong) = certificates.pair(tmp_path, "a"), certificates.pair(tmp_path, "b")
    line = Path(key).read_text().splitlines()[1]
    dead = f"https://127.0.0.1:{free_port()}"

    assert seen_in(lambda: lxdimg_nb.connect(demo.listen(), cert=(crt, wrong)), line, "PRIVATE KEY") == []
    assert seen_in(lambda: lxdimg_nb.connect(dead, cert=(crt, key)), line, "PRIVATE KEY") == []


def test_a_log_of_all_requests_shows_no_secret(
    demo: RunningServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    fingerprint = demo.add_image(factory.small(1))
    with caplog.at_level(logging.DEBUG), lxdimg_nb.connect(demo.url) as client:
        secret = client.images.get(fingerprint).secret()
        client.transport.request("GET", f"/1.0/images/{fingerprint}", params={"secret": secret})

    assert "/1.0/images/" in caplog.text
    assert secret not in caplog.text


def test_a_secret_at_the_end_of_a_cell_is_masked(server: RunningServer) -> None:
    fingerprint = server.add_image(factory.small(1))
    with lxdimg_nb.connect(server.url) as client:
        secret = client.images.get(fingerprint).secret()

    shown = DisplayFormatter().format([secret])[0]
    assert repr(secret) == "'***'"
    assert secret not in str(shown)
    assert f"{secret}" == json.loads(json.dumps(secret)) == "".join(secret)
    assert len(secret) > 30


def test_a_planted_secret_is_found_wherever_it_is() -> None:
    def inner(token: str) -> None:
        try:
            raise ValueError("bottom")
        except ValueError as error:
            raise LxdImageError("top", fact=1) from error

    code = compile("def outer(call, token):\n    call(token)\n", "elsewhere.py", "exec")
    space: dict[str, Callable[..., None]] = {}
    exec(code, space)  # noqa: S102 - a frame of another file
    for planted in ("canary", Secret("canary")):
        with pytest.raises(LxdImageError) as caught:
            space["outer"](inner, planted)
        expected = [] if isinstance(planted, Secret) else ["LxdImageError: elsewhere.py:2 token"]
        assert leaks(caught.value, ["canary"], own=__file__) == expected
    assert leaks(ValueError("a canary"), ["canary"], own=__file__) == [
        "ValueError: text",
        "ValueError: repr",
        "ValueError: args",
    ]
    error = LxdImageError("x")
    error.__context__ = ValueError("canary")
    assert len(leaks(error, ["canary"], own=__file__)) == 3


@pytest.mark.parametrize(
    ("address", "hidden"),
    [
        ("https://host/x", False),
        ("unix:///run/x@y", False),
        ("https://host/a@b", False),
        ("https://me:pass@host/x", True),
        ("simplestreams+https://me@host", True),
        ("https://host/x?sig=1", True),
        (None, False),
        (7, False),
    ],
)
def test_an_address_is_hidden_only_if_there_is_something_to_hide(address: object, hidden: bool) -> None:
    assert hide_address(address) == address
    assert (repr(hide_address(address)) == "'***'") is hidden


def test_the_clients_key_is_the_users_alone_from_the_first_byte(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the umask is; what is written under another name first is no different."""
    modes: list[int] = []
    create = os.open

    def noted(path: str | Path, flags: int, mode: int = 0o777, **more: int) -> int:
        fd = create(path, flags, mode, **more)
        if flags & os.O_CREAT and "client.key" in Path(path).name:
            modes.append(stat.S_IMODE(os.fstat(fd).st_mode))
        return fd

    before = os.umask(0)
    try:
        monkeypatch.setattr(os, "open", noted)
        key = Path(ensure_key_pair(client_configs()[-1])[1])
    finally:
        os.umask(before)

    assert modes == [0o600]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


ADDRESSES = (
    f"https://user:{PASSWORD}@127.0.0.1:1/x",
    f"simplestreams+https://user:{PASSWORD}@127.0.0.1:1",
    f" http://{PASSWORD}@127.0.0.1:1",
    f"https://127.0.0.1:1/x?X-Amz-Signature={PASSWORD}",
)
GIVEN: dict[str, Callable[[Client, str], object]] = {
    "create": lambda client, x: client.images.create(x),
    "metadata": lambda client, x: client.images.create(factory.small(1), metadata=x),
    "check": lambda client, x: client.images.check(x),
    "image_metadata": lambda _, x: lxdimg_nb.image_metadata(x),
    "copy": lambda client, x: client.images.all()[0].copy(x),  # type: ignore[arg-type]
    "enroll": lambda _, x: lxdimg_nb.enroll(x, token="x"),
    "simplestreams": lambda client, x: client.images.create_from_simplestreams(x, "y"),
}


@pytest.mark.parametrize("call", GIVEN)
def test_an_address_in_the_wrong_place_keeps_its_password(server: RunningServer, client: Client, call: str) -> None:
    server.add_image(factory.small(1))

    for address in ADDRESSES:
        assert seen_in(lambda address=address: GIVEN[call](client, address), PASSWORD) == []


def test_a_password_that_is_quoted_in_an_error_is_masked() -> None:
    error = LxdImageError(f"no image 'https://me:{PASSWORD}@host/x' at unix:///run/a@b")

    assert str(error) == "no image 'https://***@host/x' at unix:///run/a@b"


def test_a_key_that_is_given_instead_of_its_file_does_not_show(tmp_path: Path) -> None:
    certificate, key = certificates.pair(tmp_path)
    text = key.read_text()
    line = text.splitlines()[1]

    for pair in ((certificate.read_text(), text), (certificate, text), (text, text)):
        assert seen_in(lambda pair=pair: lxdimg_nb.connect("https://127.0.0.1:1", cert=pair), line) == []
    assert seen_in(lambda: lxdimg_nb.connect("https://127.0.0.1:1", server_cert=text), line) == []
    for words in (f"no such file {text}", f"no such file {text[:-30]}"):
        assert line not in str(LxdImageError(words))
