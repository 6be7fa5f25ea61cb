"""What the screens know: plain values folded from events, with no terminal in sight."""
