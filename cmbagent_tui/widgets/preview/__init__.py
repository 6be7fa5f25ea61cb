"""Previews of files: what each kind looks like in a terminal."""
