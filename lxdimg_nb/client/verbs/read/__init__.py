"""Verbs that read: list, find, export, look inside, who uses what."""
