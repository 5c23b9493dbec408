"""Whisper as it was pretrained: in float, quantised and on chips, without training for coarse weights."""
