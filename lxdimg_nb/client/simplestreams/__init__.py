"""A simplestreams catalogue, parsed, and a read-only image server made of it."""
