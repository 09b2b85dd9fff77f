"""One neighbour a folder: the server, tapes, the journal on the disk, the ledger in Convex.

A line in here may touch the one neighbour of its folder, and nobody else's vendor library; it imports ``tap.core``, and
no other adapter. Files of their own are for smaller neighbours: recorded footage, pictures, pages of the web, private
files, mounts, the machine's uptime.
"""
