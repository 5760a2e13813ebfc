"""One image in a panel: its details, its changes, and the panel of one image."""
