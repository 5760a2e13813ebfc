"""What administrators ask of a frame of images: df.lxdimg."""
