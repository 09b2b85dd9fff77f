"""Where the running service is looked at: health, metrics, status, and the live page."""
