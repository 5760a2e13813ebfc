"""File systems in files, read by path without extracting anything: what system and architecture is in there."""
