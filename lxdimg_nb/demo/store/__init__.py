"""Records of the demo server and the rules that hold for them."""
