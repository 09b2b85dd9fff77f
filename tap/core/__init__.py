"""What happened: frames become observations (dialects), observations become entries (the machine), and entries rows.

Pure: no clock, no I/O, no randomness, no logging. Time comes with each item, and what is to be done is returned. A line
in here imports nothing of ours but ``tap.core``.
"""
