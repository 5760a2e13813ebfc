"""The scan for secrets finds what is planted in each kind of place, and knows a key's own file."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lxdimg_nb.text.secret import Secret
from tests.kit import certificates, leak_scan
from tests.kit.leak_scan import Scan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    """One that the tests' own scan does not know."""
    monkeypatch.setattr(leak_scan, "_known", set())
    text = secrets.token_hex(32)
    leak_scan.register(text)
    return text


def test_a_planted_secret_is_found_in_every_kind_of_file(secret: str, tmp_path: Path) -> None:
    key = certificates.pair(tmp_path / "certs", "client")[1]
    planted = {
        "note.ipynb": json.dumps({"cells": [{"source": f"token = {secret!r}"}]}).encode(),
        "history.sqlite": b"\0SQLite" + secret.encode() + b"\0",
        "log.txt": b"GET /1.0/images/x?secret=0123456789abcdef",
        "pem.txt": key.read_bytes(),
        "open.key": key.read_bytes(),
    }
    for name, content in planted.items():
        (tmp_path / name).write_bytes(content)
    pd.DataFrame({"a": [secret] * 3}).to_parquet(tmp_path / "part.parquet", compression="zstd")
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "token").write_text(secret)
    (tmp_path / "clean.txt").write_text("nothing here")

    scan = Scan()
    scan.folders(tmp_path)

    assert sorted(Path(found.partition(":")[0]).name for found in scan.found) == sorted([*planted, "part.parquet"])
    assert any("open.key: a key that others may read (644)" in found for found in scan.found)
    for name in (*planted, "part.parquet"):
        (tmp_path / name).unlink()
    scan = Scan()
    scan.folders(tmp_path)
    assert scan.found == []


def test_what_is_printed_is_looked_at(secret: str) -> None:
    scan = Scan()

    scan.text("a test", f"the token is {secret}")
    scan.text("another", "-----BEGIN EC PRIVATE KEY-----")
    scan.text("a third", "nothing")

    assert scan.found == ["a test shows a secret", "another shows a secret"]


def test_what_the_package_makes_a_secret_is_known_and_what_a_kernel_makes_one(
    secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Secret(secrets.token_hex(20))
    file = tmp_path / "made"
    code = f"from tests.kit import leak_scan; leak_scan.watch({str(file)!r})\n"
    code += "from lxdimg_nb.text.secret import Secret; Secret('key-0123' * 5); Secret('short'); Secret('x' * 64)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    monkeypatch.setenv(leak_scan.REGISTRY, str(file))

    assert leak_scan.known() == {secret, str(made), "key-0123" * 5}


@pytest.mark.slow
def test_a_run_with_a_leak_fails_with_and_without_workers(tmp_path: Path) -> None:
    text = secrets.token_hex(32)
    (tmp_path / "conftest.py").write_text(
        "from tests.kit.leak_scan import LeakScan\n"
        "def pytest_configure(config): config.pluginmanager.register(LeakScan(config))\n"
    )
    (tmp_path / "test_it.py").write_text(
        "from tests.kit import leak_scan\n"
        f"def test_it(tmp_path):\n    leak_scan.register({text!r}); (tmp_path / 'x').write_text({text!r})\n"
    )
    for more in ([], ["-n", "1"]):
        command = [sys.executable, "-m", "pytest", "-q", f"--basetemp={tmp_path}/base", *more, "test_it.py"]
        done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)

        assert "1 passed" in done.stdout, done.stdout + done.stderr
        assert "a secret was written" in done.stdout
        assert done.returncode == 1
