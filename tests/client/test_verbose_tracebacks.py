"""What `%xmode Verbose` and `traceback` with locals show of errors and interrupts holds no secret, wherever they come.

A call is first watched for the lines at which some function has a secret in a local variable; then it is interrupted at
each of them. A variable of the user's own, such as `token` in his cell, is his to hide.
"""

from __future__ import annotations

import base64
import errno
import os
import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import lxdimg_nb
from lxdimg_nb import demo
from lxdimg_nb.client import Images
from lxdimg_nb.client.config import config_writer
from lxdimg_nb.client.config.client_certificate import ensure_key_pair
from lxdimg_nb.client.config.client_config import client_configs
from lxdimg_nb.demo import DemoServer
from lxdimg_nb.demo.store import trust_store
from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.text.secret import Secret, hide_address, hide_inner_frames, inner_frames_hidden
from tests.kit import counts, factory, streams
from tests.kit.canaries import TESTS, leaks, shown
from tests.kit.homes import token_of, write
from tests.kit.interrupts import Line, collected, interrupted_at, lines_that_see
from tests.kit.servers import RunningServer

# A socket that is being made at an interrupt is closed when it is collected.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

ROW = "secrets in verbose tracebacks"
PASSWORD, SIGNATURE = "canary-password", "canary-signature"
BASIC = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
QUICK = 6
LONG = counts.long_run()


def _first_line(function: Callable[..., object]) -> Line:
    code = function.__code__
    return code.co_filename, min(line for _, _, line in code.co_lines() if line and line > code.co_firstlineno)


# There an argument is still as the user gave it.
ENTRIES = {_first_line(function) for function in (lxdimg_nb.connect, lxdimg_nb.enroll, Images.create_from_url)}
ENTRIES |= {(hide_address.__code__.co_filename, line) for _, _, line in hide_address.__code__.co_lines() if line}


def interrupted_everywhere(call: Callable[[list[str]], Callable[[], object]]) -> int:
    """Interrupt a call at the lines where it has a secret in hand, and look at what the traceback shows.

    Args:
        call: makes the call and puts the secrets that it will use into the list, before or while it runs.

    Returns:
        How many lines were tried.
    """
    texts: list[str] = []
    run = call(texts)
    found = lines_that_see(texts, lambda: suppressed(run))
    lines = [line for line in found if line not in ENTRIES and not Path(line[0]).is_relative_to(TESTS)]
    assert lines, "no secret was in any variable: the test sees nothing"
    if not LONG:
        # The first ones always: there the arguments are still being hidden.
        rest = lines[2:]
        lines = lines[:2] + random.Random(15).sample(rest, min(QUICK, len(rest)))
    for line in lines:
        texts = []
        error = interrupted_at(line, call(texts))
        if error is not None:
            assert leaks(error, texts, own=__file__) == [], line
            seen = [row[:300] for row in shown(error).splitlines() if any(text in row for text in texts)]
            assert seen == [], line
    counts.count(ROW, inputs=len(lines))
    return len(lines)


@pytest.fixture(autouse=True)
def left_half_made() -> Iterator[None]:
    """What interrupts leave half made is collected after each test, not during one of another file."""
    with collected():
        yield


@pytest.fixture(scope="module")
def other() -> Iterator[DemoServer]:
    with demo.start(inventory=False) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True])
def test_enroll_interrupted_at_any_line_shows_no_token(
    demo: RunningServer, home: Path, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    url, numbers = demo.listen(), iter(range(100_000))

    def prepare(texts: list[str]) -> Callable[[], object]:
        monkeypatch.setenv("LXDIMG_CONF", str(home / str(next(numbers))))
        token = token_of(demo)
        texts += [token, base64.b64decode(token).decode().split('"secret": "')[1].split('"')[0]]
        return lambda: lxdimg_nb.enroll(*([] if alone else [url]), token)

    interrupted_everywhere(prepare)


@pytest.mark.parametrize("mode", ["pull", "push"])
def test_a_copy_interrupted_at_any_line_shows_no_one_time_secret(
    demo: RunningServer, other: DemoServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    from lxdimg_nb.demo.store import background_operations

    fingerprint = demo.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as source, lxdimg_nb.connect(other.url) as target:
        image = source.images.get(fingerprint)

        def prepare(texts: list[str]) -> Callable[[], object]:
            if target.images.exists(fingerprint):
                target.images.get(fingerprint).delete()
            made = SimpleNamespace(
                token_hex=lambda size: texts.append(secrets.token_hex(size)) or texts[-1],
                compare_digest=secrets.compare_digest,
            )
            monkeypatch.setattr(background_operations, "secrets", made)
            return lambda: image.copy(target, mode=mode)  # type: ignore[arg-type]

        interrupted_everywhere(prepare)


@pytest.mark.slow
def test_connecting_with_a_password_interrupted_at_any_line_does_not_show_it(home: Path, site: streams.Site) -> None:
    streams.ubuntu().publish(site)
    address = site.url.replace("https://", f"https://me:{PASSWORD}@")
    pin = write(home / ".config" / "lxc", {"store": {"addr": address, "protocol": "simplestreams", "public": True}})
    (pin / "servercerts").mkdir()
    (pin / "servercerts" / "store.crt").write_text(site.pem)

    def prepare(texts: list[str]) -> Callable[[], object]:
        texts += [PASSWORD, BASIC]
        return lambda: lxdimg_nb.connect("store").close()

    def typed(texts: list[str]) -> Callable[[], object]:
        texts += [PASSWORD, BASIC]
        return lambda: lxdimg_nb.connect(f"simplestreams+{address}", server_cert=site.cert).close()

    interrupted_everywhere(prepare)
    interrupted_everywhere(typed)


@pytest.mark.slow
def test_fetching_from_a_signed_address_interrupted_at_any_line_does_not_show_it(
    demo: RunningServer, site: streams.Site
) -> None:
    data = factory.small(1)
    site.answers[f"/image.tar.gz?signature={SIGNATURE}"] = lambda handler: handler.reply(200, data)
    url = f"{site.url.replace('://', f'://me:{PASSWORD}@')}/image.tar.gz?signature={SIGNATURE}"
    with lxdimg_nb.connect(demo.url) as client:

        def prepare(texts: list[str]) -> Callable[[], object]:
            texts += [PASSWORD, BASIC, SIGNATURE]
            for image in client.images.all():
                image.delete()
            return lambda: client.images.create_from_url(url, by="client", server_cert=site.cert)

        interrupted_everywhere(prepare)


@pytest.mark.parametrize(
    "text", ["remotes: {a: {addr: https://me:canary-password@h}}\nb: [", "- https://me:canary-password@h"]
)
def test_a_broken_configuration_with_a_password_does_not_show_it(home: Path, text: str) -> None:
    folder = home / ".config" / "lxc"
    folder.mkdir(parents=True)
    (folder / "config.yml").write_text(text)

    with pytest.raises(LxdImageError) as caught:
        lxdimg_nb.connect("store")

    assert leaks(caught.value, [PASSWORD], own=__file__) == []
    assert PASSWORD not in shown(caught.value)


@pytest.mark.parametrize("whose", ["client", "demo"])
def test_a_key_that_cannot_be_written_does_not_show(home: Path, monkeypatch: pytest.MonkeyPatch, whose: str) -> None:
    """The disk is full at the key's first byte."""
    made: list[str] = []
    full = SimpleNamespace(write=lambda data: made.append(data.decode()) or _full())

    @contextmanager
    def broken(fd: int, mode: str) -> Iterator[object]:
        os.close(fd)
        yield full

    module = config_writer if whose == "client" else trust_store
    monkeypatch.setattr(module, "open", broken, raising=False)
    lxc = next(config for config in client_configs() if config.name == "lxc")

    with pytest.raises((LxdImageError, OSError)) as caught:
        ensure_key_pair(lxc) if whose == "client" else trust_store.Identity(home)

    line = made[0].splitlines()[1]
    assert "PRIVATE KEY" in made[0]
    assert leaks(caught.value, [line], own=__file__) == []


def _full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_password_in_a_configuration_stays_when_a_remote_is_added(home: Path) -> None:
    entry = {"addr": f"https://me:{PASSWORD}@h", "protocol": "simplestreams", "public": True}
    folder = write(home / ".config" / "lxc", {"store": entry})
    lxc = next(config for config in client_configs() if config.name == "lxc")

    config_writer.write_remote(lxc, "more", {"addr": "https://h:8443"})

    kept = yaml.safe_load((folder / "config.yml").read_text())["remotes"]
    assert kept == {"store": entry, "more": {"addr": "https://h:8443"}}


def test_a_secret_that_is_planted_is_seen_and_frames_of_libraries_go_while_those_of_users_stay() -> None:
    def user_function(text: str) -> None:
        base64.b64decode(text, validate=True)

    token = "canary-token!"
    with pytest.raises(ValueError) as plain:
        user_function(token)
    with pytest.raises(ValueError) as hidden, inner_frames_hidden():
        user_function(token)

    assert any("base64.py" in leak for leak in leaks(plain.value, [token], own=__file__))
    assert token in shown(plain.value)
    assert leaks(hidden.value, [token], own=__file__) == []
    assert [entry.name for entry in hidden.traceback][-1] == "user_function"
    # And an interrupt at a line of a library that has it in hand: what the tests above look for.
    seen = lines_that_see([token], lambda: suppressed(lambda: user_function(token)))
    error = interrupted_at(next(line for line in seen if line[0].endswith("base64.py")), lambda: user_function(token))
    assert isinstance(error, KeyboardInterrupt)
    assert leaks(error, [token], own=__file__) != []


def suppressed(call: Callable[[], object]) -> None:
    with suppress(LxdImageError, ValueError):
        call()


def test_what_is_cut_out_of_a_secret_is_hidden_too_and_chains_of_errors_end_where_requests_begins() -> None:
    import requests

    error, inner = ValueError("ours"), requests.ConnectionError("https://h/x?secret=canary")
    error.__context__ = inner
    hide_inner_frames(error)

    assert repr(Secret("canary")[:3]) == repr(Secret("canary")[0]) == "'***'"
    assert f"{Secret('canary')[:3]}" == "can"
    assert error.__context__ is None
