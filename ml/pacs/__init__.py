"""The hospital's picture archive: what comes from it and what goes back."""

import logging

# It logs the identifiers of every object it reads.
logging.getLogger("highdicom").setLevel(logging.WARNING)
