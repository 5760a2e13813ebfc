"""The verbs of `%lxdimg`."""
