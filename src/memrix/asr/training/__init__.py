"""Training of CTC models, in float, with coarse weights, or with device resampling: one setting apart."""
