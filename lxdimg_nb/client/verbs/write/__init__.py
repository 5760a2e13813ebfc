"""Verbs that change something: create, edit, delete, copy, publish, refresh, aliases."""
