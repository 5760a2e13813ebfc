"""HTTP in front of the handlers, and to other image servers."""
