"""Inventories over time: recorded, read back, compared."""
