"""The hospital's picture archive: what comes from it and what goes back."""

import logging

# The one logs the identifiers of every object it reads, the other every address it asks.
for _name in ("highdicom", "httpx"):
    logging.getLogger(_name).setLevel(logging.WARNING)
