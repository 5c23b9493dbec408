"""Training of speech models: in float, with low-bit weights, or with device resampling."""
