"""The servers of one IPython session, and what it tells and asks the user."""
