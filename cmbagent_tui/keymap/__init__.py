"""The keys: which there are, which a person put in their place, and a sheet of them all."""
