"""Pretrained Whisper without retraining: in float, quantized and on chips."""
