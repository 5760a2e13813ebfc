"""What can be done with images on a server, one file a verb."""
