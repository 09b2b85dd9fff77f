"""What a frame costs, in counts that are the same on every machine: instructions, calls, allocations."""
