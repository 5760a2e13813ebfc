"""What all panels stand on: the widget, its thread, the list of transfers, texts for people."""
