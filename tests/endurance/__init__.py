"""Long use: whatever was opened, changed and closed, in the end a process holds what it held before."""
