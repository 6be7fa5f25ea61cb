"""A program that looks at what a step left behind, in the agents' interpreter and not in the worker.

What it reads was written by a model: a regular expression that never ends, or a file that unpacks to gigabytes, ends
this process and no other. Its sources travel as text (see engine.worker.checks), so nothing of ours needs to be
installed, or visible, where it runs; therefore it uses the standard library of Python 3.8 or newer alone (and Pillow
for pictures that are not PNG), and no module here may import anything of ours but its neighbours.
"""
