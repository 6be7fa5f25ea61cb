"""What a person touches: the Textual app and the command line. It knows the engine's facade, never a table."""
