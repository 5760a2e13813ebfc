"""What tornado says that is no news for the user of a notebook."""

from __future__ import annotations

import logging
import threading

__all__ = ["Quiet"]

_LOGGERS = tuple(logging.getLogger(f"tornado.{name}") for name in ("general", "application"))


class Quiet(logging.Filter):
    """While it is entered: strangers who do not like our certificate, and the server's own end, go unsaid.

    It holds for the thread that enters it. Other users of tornado, Jupyter among them, are not touched.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self.ending = False

    def __enter__(self) -> Quiet:
        for logger in _LOGGERS:
            logger.addFilter(self)
        return self

    def __exit__(self, *exc: object) -> None:
        for logger in _LOGGERS:
            logger.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep everything that other threads say, and of this one what is worth knowing."""
        if record.thread != self._thread:
            return True
        return not (self.ending or str(record.msg).startswith("SSL Error"))
