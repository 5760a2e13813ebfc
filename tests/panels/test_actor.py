"""The thread of a panel."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from lxdimg_nb.panels.base.actor import Actor
from tests.kit.waiting import until


def test_steps_from_many_threads_run_one_at_a_time_and_in_order():
    actor, seen, inside = Actor("test"), [], []

    def step(value):
        inside.append(1)
        assert len(inside) == 1
        seen.append(value)
        inside.pop()

    def post(base):
        for i in range(100):
            actor.post(lambda i=i: step(base + i))

    threads = [threading.Thread(target=post, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert until(lambda: len(seen) == 400)
    for n in range(4):
        mine = [value for value in seen if value // 1000 == n]
        assert mine == sorted(mine)
    actor.close()
    assert actor.join()


def test_throttled_steps_run_at_most_ten_times_a_second_and_once_after_the_last_call():
    actor, seen = Actor("test"), []
    value = [0]
    begin = time.monotonic()

    while time.monotonic() - begin < 0.55:
        value[0] += 1
        actor.throttle("x", lambda: seen.append(value[0]))

    assert until(lambda: bool(seen) and seen[-1] == value[0])
    assert 2 <= len(seen) <= 10 * (time.monotonic() - begin) + 2
    actor.close()


def test_a_step_that_fails_does_not_stop_the_next(caplog):
    actor, done = Actor("test"), threading.Event()

    actor.post(lambda: 1 / 0)
    actor.post(done.set)

    assert done.wait(60)
    assert "a step of test failed" in caplog.text
    actor.close()


def test_an_idle_actor_has_no_thread_and_gets_one_again(monkeypatch):
    monkeypatch.setattr("lxdimg_nb.panels.base.actor.IDLE_SECONDS", 0.05)
    actor, done = Actor("test"), threading.Event()

    actor.post(lambda: None)

    assert until(lambda: actor._thread is None)
    actor.post(done.set)
    assert done.wait(60)
    actor.close()
    assert actor.join()


def test_what_follows_a_message_runs_in_the_context_of_that_message():
    shell = contextvars.ContextVar("shell", default="none")
    actor, seen, done = Actor("test"), [], threading.Event()

    def message():
        shell.set("subshell-1")
        actor.receive(lambda: seen.append(shell.get()))
        actor.in_background(
            lambda: seen.append(shell.get()), lambda _: (seen.append(shell.get()), done.set()), lambda _: None
        )

    contextvars.copy_context().run(message)

    assert done.wait(60)
    assert seen == ["subshell-1"] * 3
    actor.close()


def test_a_closed_actor_takes_nothing_more():
    actor, seen = Actor("test"), []
    actor.post(lambda: seen.append(1))

    actor.close()
    actor.post(lambda: seen.append(2))

    assert actor.join()
    assert seen == [1]


@pytest.mark.slow
def test_python_ends_while_a_panel_still_exists(tmp_path):
    # It is closed by its __del__. A thread that is started there would be waited for forever.
    script = """
        import lxdimg_nb

        server = lxdimg_nb.demo.start({folder!r})
        panel = lxdimg_nb.connect(server.url).images.panel()
        print("made")
    """
    script = textwrap.dedent(script).format(folder=str(tmp_path / "demo"))

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "made\n", "")
