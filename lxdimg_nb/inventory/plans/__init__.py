"""Plans of changes, made from frames, applied later, and their receipts."""
