"""What the commands print on a terminal: charts, tables and lines, which read the same in a pipe."""
