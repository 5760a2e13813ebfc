"""The panels of many images: the list of a server or a fleet, filters, and actions on a selection."""
