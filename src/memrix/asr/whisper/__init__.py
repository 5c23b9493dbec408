"""Whisper as it was pretrained: in float, quantized and on chips, without training for coarse weights."""
