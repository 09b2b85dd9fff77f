"""What the tap costs, measured beside what people would use instead. ``python -m bench``, ``make bench``."""
