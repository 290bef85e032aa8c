"""`python -m geoseek` is the same as `geoseek`."""

from geoseek.cli.main import main

if __name__ == "__main__":
    main()
