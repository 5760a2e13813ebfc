"""The records of the demo server and the rules for them."""
