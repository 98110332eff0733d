"""Command line of HybridPrompt: one module a command, loaded when it is called."""


def main() -> None:
    """Run the command line with the arguments of the process."""
    from refcodec.cli.app import run

    run()
