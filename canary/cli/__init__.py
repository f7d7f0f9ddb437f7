"""The command line: reads arguments, calls the packages below, prints results. It decides nothing.

Results go to stdout, progress and errors to stderr. Each command imports what it needs when it runs, because every
Job and every `--help` pays for start-up. What does not belong here: anything that another program would want to call.
"""
