"""The state of one IPython session, and its messages and prompts."""
