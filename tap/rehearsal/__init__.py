"""Tools to try things before the shoot: a simulated server, the truth of what it played, scores, ``inspect``, the demo.

A line in here may serve on loopback, and write the files that its caller names. It connects to no real server and no
ledger; only ``inspect`` listens to a server. It imports ``tap.adapters`` and ``tap.core``. The truth (``witness`` and
what it needs) imports neither: if the judge shared code with the tap, it would share its mistakes.
"""
