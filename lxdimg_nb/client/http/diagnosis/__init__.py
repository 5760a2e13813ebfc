"""Why a server cannot be reached, and what to do about it."""
