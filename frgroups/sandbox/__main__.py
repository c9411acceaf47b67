"""Run the server of a sandbox in its child process. A Sandbox with `process=True` starts this module."""

from frgroups.sandbox.server import serve_parent

serve_parent()
