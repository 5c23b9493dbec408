"""Charts of word error rates."""
