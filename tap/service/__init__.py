"""The running service, and the one-shot tools of a venue.

A line in here may touch what it is handed: it wires adapters and core together, reads settings and the clock, and talks
to systemd. It imports ``tap.adapters`` and ``tap.core``, and leaves ``tap.history`` alone: what is exported or reported
beside a recording is made by the command itself, in a process of its own.
"""
