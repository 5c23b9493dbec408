"""The paper's experiment: trained in float and with coarse weights, programmed on chips, error rates compared."""
