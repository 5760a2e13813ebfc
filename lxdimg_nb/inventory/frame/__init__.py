"""Image records as pandas frames: one row an image, every attribute a typed column."""
