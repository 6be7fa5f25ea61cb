"""How runs go: one file a capability."""
