"""`python -m memrix` is the `memrix` command."""

from memrix.cli.main import run

if __name__ == "__main__":
    run()
