"""What the tap makes of every tape that is here, and of damaged copies of them, against what was kept of it.

No test here says what is right; others do. These say that nothing changed that nobody meant to change.
"""
