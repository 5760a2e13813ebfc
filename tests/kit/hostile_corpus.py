"""A corpus of texts that attack whoever shows them, and a server that says all of them."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.kit.proxy import Answer

__all__ = ["CORPUS", "PLAIN", "image", "listing", "shown_safely"]

PLAIN = "plain-text-of-the-corpus"
CORPUS = (
    "<script>window.owned=1</script>",
    "</script><script>window.owned=1</script>",
    "</style><img src=x onerror=window.owned=1>",
    '"><svg onload=window.owned=1>',
    "<iframe src='javascript:window.owned=1'></iframe>",
    "<a href='javascript:window.owned=1' data-commandlinker-command='apputils:change-theme'>click</a>",
    "<button data-commandlinker-command='filebrowser:delete' data-commandlinker-args='{}'>x</button>",
    "<form id=cookie><input name=getElementById></form>",
    "<link rel=stylesheet href=//evil.invalid/x.css><style>*{display:none}</style>",
    "<img src=//evil.invalid/pixel.png srcset=//evil.invalid/2x>",
    "<math><mi//xlink:href='data:x,<script>window.owned=1</script>'>",
    "<!--<img src='--><img src=x onerror=window.owned=1//'>",
    "{{constructor.constructor('window.owned=1')()}}",
    "$x \\(\\href{javascript:window.owned=1}{x}\\) $$\\unicode{x}$$",
    "[click](javascript:window.owned=1) ![x](//evil.invalid/y.png)",
    "\x1b[2J\x1b[31mred\x1b[0m\x1b]8;;http://evil.invalid\x07link\x1b]8;;\x07",
    "\x9b31mC1 \x90 \x07\x08\x00 NUL",
    "two\nlines\r\nand\ttabs\x0b\x0c\x85\u2028\u2029",
    "\u202egnp.exe\u2066x\u2069 \u200b\u200d\ufeff \u061c",
    "ｆｕｌｌ раураl ⅰⅱ \U000e0041\U000e0042 \U0001f468\u200d\U0001f469",
    "a\u0301" * 40,
    "=HYPERLINK(\"http://evil.invalid\",\"x\")",
    "+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "-2+3",
    "../../../../etc/passwd",
    "..\\..\\windows\\system32",
    "/etc/shadow",
    "C:\\con\\nul.txt",
    "~root/.ssh/id_rsa",
    "!!python/object/apply:os.system ['true']",
    "&a [*a, *a]",
    "{0.__class__.__mro__} %(x)s %n %s {HOME} ${HOME} $HOME `id` $(id)",
    "';DROP TABLE images;--",
    "%lxdimg delete web --yes",
    "!touch /tmp/owned",
    "x" * 100_000,
    "<" * 20_000,
    "&#x3c;script&#x3e;window.owned=1&#x3c;/script&#x3e;",
    "None", "nan", "True", "", " ", "0" * 64,
)  # fmt: skip
# What may reach a terminal or a page only as visible stand-ins: control characters, direction, invisible ones.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)


def image(number: int, text: str) -> dict[str, Any]:
    """An image as a server's JSON, with a text wherever one may be."""
    return {
        "fingerprint": f"{number:064x}",
        "aliases": [{"name": text or "empty", "description": text}],
        "architecture": text,
        "auto_update": False,
        "cached": False,
        "created_at": "2026-01-01T00:00:00Z",
        "uploaded_at": "2026-01-02T00:00:00Z",
        "expires_at": "0001-01-01T00:00:00Z",
        "last_used_at": "0001-01-01T00:00:00Z",
        "filename": text,
        "profiles": [text],
        "project": "default",
        "properties": {text or "empty": text, "description": text, "os": text, "release": text, "serial": text},
        "public": bool(number % 2),
        "size": 1000 + number,
        "type": text if number % 3 else "container",
        "update_source": {"server": text, "protocol": text, "alias": text, "certificate": text},
    }


def listing(reply: Answer) -> bytes:
    """A server's list of images, with one for every text of the corpus in its place."""
    envelope = json.loads(reply.body)
    if isinstance(envelope.get("metadata"), list):
        envelope["metadata"] = [image(number, text) for number, text in enumerate((PLAIN, *CORPUS), 1)]
    return reply.render(body=json.dumps(envelope).encode())


def shown_safely(text: str) -> bool:
    """Whether a text may be printed in a terminal."""
    found = _UNSEEN.search(text)
    assert found is None, f"{found[0]!r} after {text[max(0, found.start() - 60) : found.start()]!r}"
    return True
