"""Listings, uploads, exports and imports beside `curl`, `lxc` and pylxd, on a private real LXD.

    python -m tests.benchmarks [listing] [upload] [split] [export] [tls] [start] [--quick] [--rounds 5]

Everything lies in one folder in memory (3.5 times the image's size at most), which is deleted in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.measure import MIB, Cost, Results, Series, Target, Worker, machine, processor_times, program, tell
from tests.kit import daemons, factory, servers
from tests.kit.crowd import crowd
from tests.kit.servers import RunningServer

PARTS = ("listing", "upload", "split", "export", "tls", "start")


@dataclass
class Bench:
    """One run: a server, a big image, and what was measured."""

    server: RunningServer
    folder: Path
    size: int
    many: int
    rounds: int
    results: Results = field(default_factory=Results)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def out(self) -> Path:
        """Where exports go; empty between rounds."""
        folder = self.folder / "out"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def big(self) -> Path:
        """The big image, made when it is first needed."""
        path = self.folder / "big.tar"
        if not path.exists():
            factory.big(path, self.size, seed=1)
        return path

    def curl(self, path: str, *options: str, to: str = os.devnull) -> Cost:
        """`curl` on the server's socket."""
        return program("curl", "-sSf", "--unix-socket", str(self.server.socket), f"http://l{path}", "-o", to, *options)

    def curl_upload(self, *options: str) -> Cost:
        """`curl` sends, then waits for the operation."""
        reply = str(self.folder / "reply")
        sent = self.curl("/1.0/images", "-X", "POST", *options, to=reply)
        operation = json.loads(Path(reply).read_text())["operation"]
        return sent + self.curl(f"{operation}/wait")

    def lxc(self, *arguments: str) -> Cost:
        """LXD's own client."""
        environment = {"LXD_DIR": str(self.server.folder), "LXD_CONF": str(self.folder / "lxc")}
        return program("lxc", *arguments, environment=environment)

    def empty(self, _: str = "") -> None:
        """No image on the server, no export on the disk."""
        for url in self.server.get("images"):
            self.server._remove(url)
        self.tidy()

    def tidy(self, _: str = "") -> None:
        """No export on the disk."""
        for path in self.out.iterdir():
            path.unlink()

    def add(self, title: str, peers: dict[str, Callable[[], Cost]], after: Callable[[str], object]) -> Series:
        """Measure the peers in turn."""
        series = Series(title, self.rounds).run(peers, after)
        self.results.series.append(series)
        return series

    def held_to(self, series: Series, *targets: Target) -> None:
        """Note what was reached."""
        self.results.held_to(series, *targets)


def listing(bench: Bench) -> None:
    """1,000 images, then so many that the server leaves some out."""
    for count in dict.fromkeys((1000, bench.many)):
        with crowd(bench.server, count):
            ours, pylxd = Worker("ours", url=bench.url), Worker("pylxd", url=bench.url)
            reply = bench.folder / "reply"

            def curl(reply: Path = reply) -> Cost:
                cost = bench.curl("/1.0/images?recursion=1", to=str(reply))
                rows = len(json.loads(reply.read_bytes())["metadata"])
                return Cost(cost.wall, cost.cpu, cost.memory, f"{rows} images")

            def ours_records(ours: Worker = ours) -> Cost:
                return ours("records")

            def ours_frame(ours: Worker = ours) -> Cost:
                return ours("frame")

            peers: dict[str, Callable[[], Cost]] = {
                "curl": curl,
                "images.records()": ours_records,
                "images.df()": ours_frame,
                "lxc": lambda: bench.lxc("image", "list", "--format", "json"),
            }
            if count <= 1000:
                peers["pylxd"] = lambda pylxd=pylxd: pylxd("records")
            series = bench.add(f"List {count} images", peers, lambda _: None)
            ours("follow")
            for name, call in (("live().records()", "live"), ("live().df()", "live_frame")):
                ours(call)
                series.costs[name] = [ours(call) for _ in range(bench.rounds)]
            limit = 1.03 if count <= 1000 else 1.15
            bench.held_to(
                series,
                Target(f"list of {count}, complete", "images.records()", "curl", limit),
                Target(f"{count} again through live()", "live().records()", "curl", 0.01),
            )
            ours.close()
            pylxd.close()


def upload(bench: Bench) -> None:
    """A unified image, and once more when it is there."""
    ours, pylxd = Worker("ours", url=bench.url), Worker("pylxd", url=bench.url)
    big = str(bench.big)
    content = ("-H", "Content-Type: application/octet-stream", "-T", big)
    peers = {
        "curl": lambda: bench.curl_upload(*content),
        "create()": lambda: ours("upload", path=big),
        "lxc": lambda: bench.lxc("image", "import", big),
        "pylxd": lambda: pylxd("upload", path=big),
    }
    series = bench.add(f"Upload {bench.size // MIB} MiB", peers, bench.empty)
    ours("upload", path=big)
    series.costs["create() of what is there"] = [ours("duplicate", path=big) for _ in range(bench.rounds)]
    bench.empty()
    bench.held_to(
        series,
        Target("upload", "create()", "curl", 0.85),
        Target("upload: MiB more", "create()", "curl", 4, "memory"),
        Target("upload of a duplicate", "create() of what is there", "curl", 0.2),
    )
    ours.close()
    pylxd.close()


def split(bench: Bench) -> None:
    """A split image."""
    ours = Worker("ours", url=bench.url)
    metadata = bench.folder / "meta.tar.gz"
    metadata.write_bytes(factory.split(1)[0])
    big, meta = str(bench.big), str(metadata)
    peers = {
        "curl": lambda: bench.curl_upload("-F", f"metadata=@{meta}", "-F", f"rootfs=@{big}"),
        "create()": lambda: ours("upload", path=big, metadata=meta),
        "lxc": lambda: bench.lxc("image", "import", meta, big),
    }
    series = bench.add(f"Upload {bench.size // MIB} MiB, split", peers, bench.empty)
    bench.held_to(
        series,
        Target("split upload", "create()", "curl", 0.9),
        Target("split upload: MiB more", "create()", "curl", 4, "memory"),
    )
    ours.close()


def export(bench: Bench) -> None:
    """A unified image to a file, whole and when nine tenths are there."""
    ours, pylxd = Worker("ours", url=bench.url), Worker("pylxd", url=bench.url)
    ours("upload", path=str(bench.big))
    fingerprint, out = factory.fingerprint(bench.big), str(bench.out)

    def resumed() -> Cost:
        ours("interrupted", fingerprint=fingerprint, folder=out, share=0.9)
        return ours("export", fingerprint=fingerprint, folder=out)

    def resumed_later() -> Cost:
        shutil.copyfile(bench.big, bench.out / f".{fingerprint}.part")
        os.truncate(bench.out / f".{fingerprint}.part", bench.big.stat().st_size * 9 // 10)
        return ours("export", fingerprint=fingerprint, folder=out)

    peers = {
        "curl": lambda: bench.curl(f"/1.0/images/{fingerprint}/export", to=f"{out}/image"),
        "export()": lambda: ours("export", fingerprint=fingerprint, folder=out),
        "export() resumed at 90 %": resumed,
        "the same in another session": resumed_later,
        "lxc": lambda: bench.lxc("image", "export", fingerprint, f"{out}/image"),
        "pylxd": lambda: pylxd("export", fingerprint=fingerprint, folder=out),
    }
    series = bench.add(f"Export {bench.size // MIB} MiB", peers, bench.tidy)
    bench.held_to(
        series,
        Target("export, verified", "export()", "curl", 1.25),
        Target("export: MiB more", "export()", "curl", 8, "memory"),
        Target("export resumed at 90 %", "export() resumed at 90 %", "curl", 0.25),
    )
    bench.empty()
    ours.close()
    pylxd.close()


def tls(bench: Bench) -> None:
    """The same export over TLS on 127.0.0.1."""
    address = bench.server.listen()
    cert, key, server = _certificate(bench)
    ours = Worker("ours", url=address, cert=[cert, key], server_cert=server)
    local = Worker("ours", url=bench.url)
    local("upload", path=str(bench.big))
    fingerprint, out = factory.fingerprint(bench.big), str(bench.out)
    options = ("--http1.1", "-k", "--cert", cert, "--key", key, "-o", f"{out}/image")
    peers = {
        "curl --http1.1": lambda: program("curl", "-sSf", f"{address}/1.0/images/{fingerprint}/export", *options),
        "export()": lambda: ours("export", fingerprint=fingerprint, folder=out),
    }
    series = bench.add(f"Export {bench.size // MIB} MiB over TLS", peers, bench.tidy)
    bench.held_to(series, Target("export over TLS, verified", "export()", "curl --http1.1", 1.4))
    bench.empty()
    ours.close()
    local.close()


def start(bench: Bench) -> None:
    """What importing costs a session; the time that Python itself takes to start is taken off."""

    def fresh(code: str) -> Callable[[], Cost]:
        return lambda: program(sys.executable, "-c", code)

    empty = min(fresh("pass")().wall for _ in range(5))

    def beyond(code: str) -> Callable[[], Cost]:
        def call() -> Cost:
            cost = fresh(code)()
            return Cost(max(0.0, cost.wall - empty), cost.cpu, cost.memory)

        return call

    peers = {
        "import requests": beyond("import requests"),
        "import lxdimg_nb": beyond("import lxdimg_nb"),
        "lxdimg_nb.connect": beyond("import lxdimg_nb; lxdimg_nb.connect"),
        "import pylxd": beyond("import warnings; warnings.simplefilter('ignore'); import pylxd"),
    }
    bench.rounds, before = max(5, bench.rounds), bench.rounds
    series = bench.add("Import", peers, lambda _: None)
    bench.rounds = before
    bench.held_to(series, Target("import", "import lxdimg_nb", "import requests", 1.3))


def _certificate(bench: Bench) -> tuple[str, str, str]:
    """A certificate that the server trusts, its key, and the server's own certificate, as files."""
    cert, key, server = (bench.folder / name for name in ("client.crt", "client.key", "server.crt"))
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp384r1 -nodes -days 2 -subj /CN=bench"
    subprocess.run([*command.split(), "-out", str(cert), "-keyout", str(key)], check=True, stderr=subprocess.DEVNULL)
    body = "".join(cert.read_text().splitlines()[1:-1])
    bench.server.raw("POST", "/1.0/certificates", json={"type": "client", "certificate": body, "name": "bench"})
    server.write_text(bench.server.get("")["environment"]["certificate"])
    return str(cert), str(key), str(server)


def main() -> None:
    """Run what was asked for and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all without")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer; under three minutes")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--size", type=int, default=0, help="MiB of the big image")
    parser.add_argument("--many", type=int, default=0, help="images of the large listing")
    parser.add_argument("--json", type=Path, help="write the results there, too")
    parser.add_argument("--markdown", type=Path, help="write the report there, too")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    reason = daemons.why_not("lxd")
    if reason is not None:
        parser.error(f"this needs a real LXD: {reason}")
    folder = Path(tempfile.mkdtemp(prefix="lxb-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    begin = processor_times()
    try:
        (folder / "lxd").mkdir()
        server = servers.start_lxd(folder / "lxd")
        try:
            bench = Bench(
                server,
                folder,
                (options.size or (256 if options.quick else 1024)) * MIB,
                options.many or (1000 if options.quick else 3000),
                options.rounds or (2 if options.quick else 5),
            )
            for part in options.parts or PARTS:
                globals()[part](bench)
            version = server.get("")["environment"]["server_version"]
            text, data = bench.results.report(
                "What the client costs",
                machine(begin, server=f"LXD {version}", rounds=bench.rounds),
                "Ratios are medians over the rounds, each to the first peer's in the same round.",
                "Processor seconds are the client's alone; memory is what a call held beyond what was there before it.",
            )
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell(text, data, options.markdown, options.json)


if __name__ == "__main__":
    main()
