"""Many servers as one inventory."""
