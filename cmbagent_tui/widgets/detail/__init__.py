"""The detail pane: what one node, or one event, is about."""
