"""``python -m tap.cli``: the command ``multicam-tap``."""

from tap.cli import main

if __name__ == "__main__":
    main()
