"""Agents as data: the shipped files, a person's own, and the registry that reads them."""
