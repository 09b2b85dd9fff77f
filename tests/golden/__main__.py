"""``python -m tests.golden NAME``: all that the tap makes of a case, to compare two versions with ``diff``.

``python -m tests.golden --keep``: what is so now is kept, once somebody has looked at the difference.
"""

from __future__ import annotations

import argparse

from tests.golden.kept import write
from tests.golden.outcome import CASES


def main() -> None:
    """Shows, or keeps."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("name", nargs="?", choices=CASES, metavar="NAME")
    parser.add_argument("--keep", action="store_true")
    asked = parser.parse_args()
    if asked.keep:
        print("\n".join(write()) or "nothing changed")
    elif asked.name is not None:
        print("\n".join(CASES[asked.name]()))
    else:
        print("\n".join(CASES))


if __name__ == "__main__":
    main()
