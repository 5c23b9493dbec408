"""`python -m memrix` is the `memrix` command."""

from memrix.cli.entry import run

if __name__ == "__main__":
    run()
