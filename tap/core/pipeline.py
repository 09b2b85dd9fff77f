"""From source items to entries: dialect and machine put together, still pure.

The same pipeline serves the live service and a replay; that is why both give the same entries.
"""
