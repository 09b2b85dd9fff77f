"""One-shot tools: what a command does beside the running service, or without one, and then ends."""
