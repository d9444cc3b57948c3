"""`python -m acrwatch` is the command `acrwatch`."""

from acrwatch.cli import main

if __name__ == "__main__":
    main()
