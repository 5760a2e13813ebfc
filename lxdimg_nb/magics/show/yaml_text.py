"""What a server said as YAML: whole, and in seconds where it is 10 MB."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

# Characters of JSON; more takes the dumper that is written in Python seconds.
LARGE = 64 * 1024
_SURROGATES = re.compile("[\ud800-\udfff]")
# PyYAML can be built without libyaml.
_QuickDumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def yaml_text(document: Any) -> str:
    """A document of JSON's types as YAML.

    In a large one, or one with U+0085, characters beyond U+FFFF are written as escapes, and a lone surrogate, which no
    server stores, as U+FFFD.
    """
    dumper = yaml.SafeDumper
    text = json.dumps(document, ensure_ascii=False)
    # PyYAML's own writes U+0085 as a line break, which is read as another character.
    if len(text) > LARGE or "\x85" in text:
        dumper = _QuickDumper
        if _SURROGATES.search(text):
            document = json.loads(_SURROGATES.sub("\ufffd", text))
    return str(yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True, width=1000))
