"""`python -m splashgen`: the command line, where the script is not on the path."""

from splashgen.cli import main

if __name__ == "__main__":
    main()
