"""What makes a venue a unit of systemd: the unit, its settings file, and the folder that exports go to."""
