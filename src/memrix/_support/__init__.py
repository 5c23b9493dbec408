"""What every room needs and none owns: checks, records, files, threads, compiled loops, random streams."""
