"""What is lost on a chip, in figures and charts."""
