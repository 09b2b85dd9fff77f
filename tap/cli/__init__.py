"""The command line: one function a command, which reads its arguments, calls what does the work, and prints.

A file is a group of commands; what they share is in ``shared``, and what their arguments may be in ``arguments``.
What a command needs is imported inside it: ``multicam-tap enabled`` runs before every start of the service, and must
not wait for the libraries of the others. Exit codes: 0 done, 1 no or failed, 2 usage, 78 settings.

Nothing in ``tap`` imports this package, and it may import everything else.
"""

from tap.cli import (  # noqa: F401 - each gives the root its commands
    export,
    history,
    inspection,
    journal,
    ledger,
    rehearsal,
    report,
    session,
    tapes,
    venue,
)
from tap.cli.root import cli, main
from tap.cli.shared import FAILED, SETTINGS

__all__ = ["FAILED", "SETTINGS", "cli", "main"]
