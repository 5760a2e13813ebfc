"""TLS is verified by authorities or by the pinned certificate, everywhere in the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import lxdimg_nb

HOUSE = Path(lxdimg_nb.__file__).parent


def unverified(package: Path) -> list[str]:
    """Where TLS could go without verification: what switches it off, and where a certificate is only looked at."""
    allowed = {"http/connection_pool.py: check_hostname", "http/peers.py: check_hostname"}
    allowed |= {"http/endpoint.py: get_server_certificate", "http/listeners.py: CERT_OPTIONAL"}
    found = []
    for path in sorted(package.rglob("*.py")):
        where = "/".join(path.parts[-2:])
        for node in ast.walk(ast.parse(path.read_text())):
            names = [getattr(node, "attr", ""), getattr(node, "id", ""), getattr(node, "name", "")]
            if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant) and not node.value.value:
                names += [f"{node.arg}={node.value.value}"]
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and not node.value.value:
                names += [f"{getattr(target, 'attr', '')}={node.value.value}" for target in node.targets]
            found += [f"{where}: {name}" for name in names if name and _UNVERIFIED.fullmatch(name)]
    return [one for one in dict.fromkeys(found) if one not in allowed]


_UNVERIFIED = re.compile(
    r"(verify|check_hostname|assert_hostname|assert_fingerprint|trust_pinned|cert_reqs|verify_mode)=(False|None|0|)"
    r"|check_hostname|CERT_NONE|CERT_OPTIONAL|_create_unverified_context|_create_stdlib_context|get_server_certificate"
    r"|disable_warnings|InsecureRequestWarning"
)


def test_tls_is_verified_or_pinned_everywhere() -> None:
    """`check_hostname` is off beside a pinned certificate only, which is compared as a whole."""
    assert [one for one in unverified(HOUSE) if not one.endswith("check_hostname=False")] == []
    assert sorted(one for one in unverified(HOUSE)) == [
        "http/connection_pool.py: check_hostname=False",
        "http/peers.py: check_hostname=False",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "session.verify = False",
        "requests.get(url, verify=False)",
        "context.verify_mode = ssl.CERT_NONE",
        "ssl._create_unverified_context()",
        "from ssl import CERT_NONE",
        "pool(assert_hostname=False)",
        "ssl.get_server_certificate(a)",
    ],
)
def test_a_connection_without_verification_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "one.py").write_text(f"{line}\n")

    assert unverified(tmp_path) != []
