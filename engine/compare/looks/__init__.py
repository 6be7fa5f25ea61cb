"""A program that compares two versions of a file, in a process of its own.

What it reads was written by a model's program: a file that unpacks to gigabytes, or is nested a million deep, ends this
process and no other. It uses the standard library alone, and no module here imports anything of ours but its
neighbours.
"""
