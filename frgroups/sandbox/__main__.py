"""Run the child process of a Sandbox with `process=True`."""

from frgroups.sandbox.server import serve_parent

serve_parent()
