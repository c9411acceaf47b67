"""A local tenant that implements the documented API over HTTP."""
