"""A believable stock of images, made on the spot."""
