"""Records of the demo server and the rules that lock_folder for them."""
