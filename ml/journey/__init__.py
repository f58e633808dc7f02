"""The stages, one module each: what DAG tasks and CLI verbs call with explicit arguments.

Modules here import their heavy parts inside functions, so that a DAG file can name a stage cheaply.
"""
