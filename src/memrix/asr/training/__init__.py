"""Training of CTC models, in float, with coarse weights, or on fresh chips: one setting apart."""
