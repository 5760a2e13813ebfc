"""The routes of the REST API: a module for each kind of resource, and what their handlers do."""

from __future__ import annotations

from ..http.routing import Routes
from . import (
    alias_routes,
    certificate_routes,
    create_routes,
    image_routes,
    instance_routes,
    operation_routes,
    project_routes,
    server_routes,
    transfer_routes,
)

__all__ = ["ROUTES"]

# The first path that matches is taken, so aliases stand before images.
ROUTES = Routes(
    server_routes.routes,
    alias_routes.routes,
    create_routes.routes,
    image_routes.routes,
    operation_routes.routes,
    project_routes.routes,
    instance_routes.routes,
    certificate_routes.routes,
    transfer_routes.routes,
)
