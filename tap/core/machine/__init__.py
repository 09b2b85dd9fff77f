"""What happened: the state machine that turns observations into entries, and everything that it knows.

Pure, as all of ``tap.core``: time comes with each observation, and entries are returned, never sent. A file is a room
with one owner:

- ``machine``: the ways in (an observation, a connection, a tick of time), and what is due when.
- ``rules``: the policy for sessions, as a table, with its theory of operation. Begin here to change when a session
  starts or ends.
- ``sessions``, ``gaps``, ``connections``: what the table has done, and what gives it its signals.
- ``snapshots``: what a snapshot means; ``desk``: program, hold, mode and recorder together.
- ``program``, ``hold``, ``mode``, ``recorder``, ``moments``, ``cameras``, ``stills``: one kind of thing each.
- ``live``: which camera was on air at a moment that is over.
- ``aspects``: what program, hold, mode and recorder have in common.
- ``identity`` (is this frame one that was reported before?) and ``staleness`` (is it older than what is known?): how a
  frame is weighed before it changes anything.
- ``state``: all that is known, which is the checkpoint; ``memory``: the part of it that grows, saved by differences.
- ``rows``: how an entry is written: its key, version and columns.
- ``picture``: the table as a diagram, for the documentation.

Imports go one way, from ``machine`` down to ``state``.
"""
