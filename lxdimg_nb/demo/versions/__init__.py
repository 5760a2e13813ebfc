"""Which versions of LXD and Incus the demo server imitates, and in what they differ."""
