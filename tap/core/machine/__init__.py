"""What happened: the state machine that turns observations into entries, and everything that it knows.

Pure, as all of ``tap.core``: time comes with each observation, and entries are returned. The policy for sessions is
the table in ``rules``; ``machine`` is what the pipeline calls.
"""
