"""The command's root: what all commands obey, and how an error becomes its line and its exit code."""

# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
from typing import Any

import click

from tap.cli.shared import FAILED, SETTINGS, USAGE, discard_stdout, print_remarks, same_state_dir
from tap.core.errors import SettingsInvalid, TapError, UsageInvalid


class _Commands(click.Group):
    """Turns what went wrong into its line and its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except SettingsInvalid as error:
            print_remarks(*error.problems)
            ctx.exit(SETTINGS)
        except UsageInvalid as error:
            print_remarks(str(error))
            ctx.exit(USAGE)
        except TapError as error:
            error.hint = None if error.hint is None else same_state_dir(error.hint, ctx)
            print_remarks(str(error))
            ctx.exit(FAILED)
        except PermissionError as error:
            # A state directory is the tap's user's alone; whoever else asks is told so by the first file of it.
            print_remarks(f"{error.filename or error}: no permission to read → run this as root or the tap's user")
            ctx.exit(FAILED)
        except BrokenPipeError:
            # Whoever read has enough (| head).
            discard_stdout()
            ctx.exit(0)
        return result


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="multicam-tap", prog_name="multicam-tap")
@click.option("--installed", metavar="VENUE", help="Use the settings, state and keys of this venue's service.")
def cli(installed: str | None) -> None:
    """Records the history of a live multi-camera shoot.

    It listens to the control WebSocket of a camera server, and sends it no commands. The service reads its settings
    from TAP_* variables.
    """
    if installed is not None:
        from tap.service.venue.unit import Places, venue_environment

        given = venue_environment(Places(installed), os.environ)
        os.environ.clear()
        os.environ.update(given)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a name shows question marks, and the rest.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # both are text streams of files


def main() -> None:
    """The command ``multicam-tap``."""
    cli(prog_name="multicam-tap")
