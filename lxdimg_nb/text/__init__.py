"""Formatting, sanitizing and escaping of text, and tables of it; knows nothing of images."""
