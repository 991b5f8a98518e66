"""The command line's tests: real processes, a real terminal where one is needed."""
