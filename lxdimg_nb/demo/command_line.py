"""`python -m lxdimg_nb.demo` and `lxdimg-nb demo`: a demo server in a process of its own."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from .demo_server import start

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lxdimg-nb demo", description="Run a demo server that looks like LXD or Incus, with small real images."
    )
    parser.add_argument("--folder", help="folder that keeps its state (default: a temporary folder)")
    parser.add_argument("--socket", help="path of its unix socket (default: in the folder)")
    parser.add_argument("--port", type=int, default=0, help="port of its TLS listener on 127.0.0.1 (default: any)")
    parser.add_argument("--no-https", action="store_true", help="listen on the unix socket only")
    imitated = parser.add_mutually_exclusive_group()
    imitated.add_argument("--product", choices=("lxd", "incus"), default="lxd", help="server to imitate")
    imitated.add_argument("--as", dest="version", metavar="PRODUCT-VERSION", help="version to imitate, as lxd-6.9")
    parser.add_argument("--empty", action="store_true", help="start without images")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a demo server until Ctrl-C, SIGTERM or the end of its terminal.

    Args:
        argv: the arguments; those of the process by default.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(argv)
    name = options.product if options.version is None else options.version
    product, dash, version = name.partition("-")
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        with start(
            options.folder,
            https=not options.no_https,
            product=product,
            version=version if dash else None,
            inventory=not options.empty,
            socket=options.socket,
            port=options.port,
        ) as server:
            also = f" and at {server.https_url}" if server.https_url else ""
            sys.stdout.write(
                f"This is a demo server: it looks like {server.product} {server.version}, its images are small, "
                "nothing runs.\n"
                f"It listens at {server.url}{also}; end it with Ctrl-C.\n"
            )
            sys.stdout.flush()
            stop.wait()
    except (RuntimeError, ValueError, OSError) as error:
        sys.stderr.write(f"lxdimg-nb demo: {error}\n")
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0
