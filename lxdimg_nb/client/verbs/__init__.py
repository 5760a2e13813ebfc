"""One file a verb: functions that take a `Project` and values, and return values."""
