"""What runs: the recording service, from the wiring of its parts to what tells log and systemd how it stands."""
