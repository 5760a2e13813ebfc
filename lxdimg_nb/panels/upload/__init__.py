"""Upload of an image, from the kernel's disk or from the browser."""
