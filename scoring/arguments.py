"""Command lines: refusals of one line, defaults in the help, an example below it."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn, TypeAlias

_EXAMPLE = "example:"


class Parser(argparse.ArgumentParser):
    """A parser whose commands are parsers of the same kind."""

    def __init__(self, *, example: str = "", **others: Any) -> None:  # noqa: ANN401 - as argparse has them
        """Prepare to parse.

        Args:
            example: A command line, shown below the help.
            others: What `argparse.ArgumentParser` takes.
        """
        super().__init__(**{"formatter_class": _Help, "epilog": example and f"{_EXAMPLE}\n  {example}", **others})

    def add_commands(self) -> Commands:
        """Let it take a command, one of those that `add_command` adds."""
        return self.add_subparsers(required=True, metavar="COMMAND")

    def error(self, message: str) -> NoReturn:
        """End the process with one line."""
        self.exit(2, f"error: {message}; `{self.prog} --help` tells what it takes\n")


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def add_command(commands: Commands, name: str, purpose: str, example: str) -> Parser:
    """Add a command.

    Args:
        commands: To these.
        name: By which it is called.
        purpose: What it does, as a list of commands tells it.
        example: A command line, shown below its help.
    """
    return commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.", example=example)


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Adds a default to what does not tell it, and leaves an example as it is."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        told = action.help or ""
        nothing = action.default is None or action.default is False or action.default in ("", (), [])
        if nothing or "default" in told:
            return told
        return super()._get_help_string(action)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(_EXAMPLE) else super()._fill_text(text, width, indent)
