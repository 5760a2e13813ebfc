"""A filter for tornado's log messages that are of no interest to the user of a notebook."""

from __future__ import annotations

import logging
import threading

__all__ = ["LogFilter"]

_LOGGERS = tuple(logging.getLogger(f"tornado.{name}") for name in ("general", "application"))


class LogFilter(logging.Filter):
    """While it is entered, drops messages about failed TLS handshakes and, once `ending`, about the server's end.

    It applies to the thread that made it. Other users of tornado, such as Jupyter, are not affected.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self.ending = False

    def __enter__(self) -> LogFilter:
        for logger in _LOGGERS:
            logger.addFilter(self)
        return self

    def __exit__(self, *exc: object) -> None:
        for logger in _LOGGERS:
            logger.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message is kept."""
        return record.thread != self._thread or not (self.ending or str(record.msg).startswith("SSL Error"))
