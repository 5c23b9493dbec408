"""Files of a recognizer, which memrix finds by the name ``whisper-queen``; README.md is its model card."""
