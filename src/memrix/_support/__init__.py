"""Shared by all rooms: checks, records, files, threads, compiled loops, random streams, former names."""
