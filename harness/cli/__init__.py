"""The command line, one file a group of commands; ``main`` catches the harness's errors."""
