"""The command ``dragoman``, and ``python -m service``."""

import gc


def main() -> None:
    """Run the command line.

    What is imported stays, and the garbage collector would go through it again and again: a tenth of a start's time.
    """
    gc.disable()
    from service.cli import app

    gc.freeze()
    gc.enable()
    app()


if __name__ == "__main__":
    main()
