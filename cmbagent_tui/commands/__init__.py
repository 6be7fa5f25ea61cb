"""The commands, one module a purpose: start, look, steer, care."""
