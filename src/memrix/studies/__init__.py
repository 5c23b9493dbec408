"""Experiments on devices and models."""
