"""The fault harness: what a venue may do to the tap, many times over, and what is in the ledger afterwards."""
