"""Seeded random faults over everything that talks to a server."""
