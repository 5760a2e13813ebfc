"""One odd reply in the middle of each verb: right, or one error of ours, and nothing is lost on the server behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lxdimg_nb.values import Alias
from tests.kit.counts import count, long_run
from tests.kit.odd_replies import Odd, Scene, kept, meets, restore, scene
from tests.kit.odd_verbs import VERBS, lost
from tests.kit.servers import RunningServer

pytestmark = pytest.mark.slow
# Of each verb in a long run, of all together in any other.
INPUTS = 130
QUICK = 70
EACH = [[verb] for verb in sorted(VERBS)] if long_run() else [sorted(VERBS)]

_EDITS = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 1 << 16)), min_size=1, max_size=4)


@pytest.fixture
def one(demo: RunningServer, tmp_path: Path) -> Iterator[Scene]:
    """The demo server with an image to keep, behind a proxy."""
    with scene(demo, tmp_path) as made:
        yield made


def replies(one: Scene, verb: str) -> int:
    """How many replies with JSON a verb gets, when none of them is odd."""
    assert meets(one, VERBS[verb], Odd(-1, [])) is None, verb
    found = one.replies
    restore(one)
    return found


@pytest.mark.parametrize("verbs", EACH, ids=lambda verbs: verbs[0] if len(verbs) == 1 else "any")
def test_a_verb_that_meets_an_odd_reply_is_right_or_one_error(one: Scene, verbs: list[str]) -> None:
    before = kept(one)
    numbers: dict[str, int] = {}

    @settings(
        max_examples=INPUTS if long_run() else QUICK,
        deadline=None,
        database=None,
        derandomize=not long_run(),
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(st.sampled_from(verbs), st.integers(0, 1 << 16), _EDITS, st.integers(0, 9)))
    def run(case: tuple[str, int, list[tuple[int, int]], int]) -> None:
        verb, number, edits, tenth = case
        if verb not in numbers:
            # Without a run before it, some examples change nothing.
            numbers[verb] = replies(one, verb) if long_run() else 6
        try:
            error = meets(one, VERBS[verb], Odd(number % numbers[verb], edits, twice=tenth == 0))
            assert error is None or one.spoiled, error
            wrong = lost(one, before, verb)
            count("odd replies", inputs=1, survived=int(error is not None), lost=len(wrong))
            assert not wrong, f"{verb} lost {wrong} after {one.spoiled}"
        finally:
            restore(one)

    run()


class Wordless(Odd):
    """An alias that says no description."""

    def apply(self, body: bytes) -> bytes:
        document = json.loads(body)
        document["metadata"]["description"] = None
        return json.dumps(document).encode()


def test_a_description_that_is_believed_lost_would_be_noticed(one: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary: what the odd reply did not say is written, which takes away what was there."""
    before, number = kept(one), 5

    assert meets(one, VERBS["point"], Wordless(number, [])) is not None
    assert "description" in one.spoiled[0]
    assert lost(one, before, "point") == []
    restore(one)
    monkeypatch.setattr("lxdimg_nb.client.project._whole_alias", lambda data, _: Alias.from_json(data))

    with pytest.raises(AssertionError):
        meets(one, VERBS["point"], Wordless(number, []))
