"""One HTTP exchange with a server: endpoint, connection pool, retry, envelope, bodies."""
