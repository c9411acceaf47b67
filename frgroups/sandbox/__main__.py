"""`python -m frgroups.sandbox`: the child process of a Sandbox made with `process=True`."""

from frgroups.sandbox.server import serve_parent

serve_parent()
