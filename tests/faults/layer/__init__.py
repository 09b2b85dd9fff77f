"""A disk that fails at the n-th operation, or loses its power there: every write, sync and rename of a shoot."""
