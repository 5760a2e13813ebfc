"""A believable stock of images."""
