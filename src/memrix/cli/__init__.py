"""The `memrix` command: parses, calls the library, prints."""
