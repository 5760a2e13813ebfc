"""Image files on disk: what they are, their hashes, archives, part files, progress."""
