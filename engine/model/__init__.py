"""The ground floor: values, enumerations and rules that every other part may import, and that import nothing of ours.

Records and events are plain frozen dataclasses, so that the terminal can read them without waiting for pydantic; what
arrives from outside (plans, agent files, worker frames) is pydantic, because it has to be validated.
"""
