"""``mlstack completion``."""

from __future__ import annotations

import click

from mlstack.cli.frame import HELP_NAMES

HELP = """Print the completion script of a shell.

\b
  bash:  mlstack completion bash > ~/.local/share/bash-completion/completions/mlstack
  zsh:   mlstack completion zsh > ~/.zfunc/_mlstack       (with fpath+=~/.zfunc)
  fish:  mlstack completion fish > ~/.config/fish/completions/mlstack.fish
"""


@click.command("completion", help=HELP, context_settings=HELP_NAMES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Prints the script."""
    from click.shell_completion import get_completion_class

    from mlstack.cli.root import root

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    print(found(root, {}, "mlstack", "_MLSTACK_COMPLETE").source())
