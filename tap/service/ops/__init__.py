"""What the running service shows over HTTP: health, metrics, status, and the live page."""
