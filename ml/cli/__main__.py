"""`python -m ml.cli`, the same as the command `vigie`."""

from ml.cli import main

main()
