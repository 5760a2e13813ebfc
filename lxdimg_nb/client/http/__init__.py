"""One exchange with a server: endpoint, connections, retries, envelopes, bodies."""
