"""The experiment of arXiv 2505.24721: training in float and with low-bit weights, chips, and error rates compared."""
