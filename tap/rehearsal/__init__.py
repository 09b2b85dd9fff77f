"""To try things before the shoot: a simulated server, the truth of what it played, the score, ``inspect``, the demo.

A line in here may serve on loopback and write the files that it is asked for; it touches no real server and no ledger,
but where ``inspect`` listens to one. It imports ``tap.adapters`` and ``tap.core``. The truth (``witness`` and what it
needs) imports neither: a judge that shared code with what it judges would share its mistakes.
"""
