"""Search for CTC models."""
