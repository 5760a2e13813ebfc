"""HTTP: requests and replies of the demo server, and its own requests to other image servers."""
