"""The command line: one module per group of commands, each imported only when one of its commands runs.

Not a place for decisions: a command reads its arguments, calls the rooms below and prints. Rules: a command returns its
exit code (None: 0) or raises one of our errors; what it was asked for goes to standard output, everything else to
standard error; the imports at the top of a module are light, the heavy ones stand in the commands that need them.
"""
