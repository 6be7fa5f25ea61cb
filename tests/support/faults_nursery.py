"""What victims are forked from: a process that has imported the engine, the store and the workers' AG2, once. It is
named to multiprocessing's fork server, which imports it."""

from __future__ import annotations

from importlib import import_module

from engine.worker.warm import warm

for module in (
    *("alembic.command", "genai_prices", "networkx", "openai.resources.chat.completions", "ag2.config.openai"),
    *("storage.audit", "storage.overview", "storage.reads", "storage.store", "storage.writer"),
    *("engine.runs.fleet", "engine.worker.zygote", "tests.support.faults_lives"),
):
    import_module(module)
warm(["openai"])
