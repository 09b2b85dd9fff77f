"""The way to the ledger: batches, retries, what waits, and what an older deployment does not take yet."""
