"""The recording service: from the wiring of its parts to its log lines and its status for systemd."""
