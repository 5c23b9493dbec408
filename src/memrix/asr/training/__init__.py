"""Training of CTC models: in float, with low-bit weights, or with device resampling."""
