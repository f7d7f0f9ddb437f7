"""Make it happen: release file, state machine, engine, adapters, sandbox, reports, command line."""

__version__ = "0.1.0"
