"""The hospital's picture archive: what comes from it and what goes back."""

import logging

# They log the identifiers of every object that is read, or every address that is asked.
for _name in ("highdicom", "httpx", "httpx_retries"):
    logging.getLogger(_name).setLevel(logging.WARNING)
