"""`python -m ocrprof`."""

from ocrprof.cli import main

if __name__ == "__main__":
    main()
