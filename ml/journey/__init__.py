"""The stages, one module each: what DAG tasks and CLI verbs call. Explicit arguments, no environment.

Modules here import their heavy parts inside functions, so that a DAG file can name a stage cheaply.
"""
