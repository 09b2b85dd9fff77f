"""multicam-tap: lets a live multi-camera shoot write its own history."""
