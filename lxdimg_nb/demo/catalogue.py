"""The demo server's own simplestreams catalogue."""

from __future__ import annotations

__all__ = ["OWN_SERVER"]

OWN_SERVER = "https://127.0.0.1:0"
"""Stands in records for the server's own TLS address, whatever its port is this time."""
