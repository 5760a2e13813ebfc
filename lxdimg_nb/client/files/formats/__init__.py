"""Formats of image files: archives, metadata.yaml, disk images; what each file is and what is wrong with it."""
