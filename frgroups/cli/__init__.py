"""The commands of the terminal: what each takes and does; options in, the package's functions, text out."""
