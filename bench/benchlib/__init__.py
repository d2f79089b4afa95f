"""The parts of bench/run: world (what runs), meter (what is read of it), groups (the rows), report (the table)."""
