"""Whether the ledger knows a version by the bundle that the registry names."""

import logging

from sqlalchemy import Engine

from ml.contract.errors import BundleInvalid, Unavailable
from ml.contract.records import LedgerAction, LedgerEntry, ModelIdentity
from ml.store import ledger

_logger = logging.getLogger(__name__)
_REGISTER: LedgerAction = "register"


class LedgerCheck:
    """Compares a registry version with what the ledger says of it.

    The registry's tag can be changed by whoever may write there; the ledger is another database
    with a hash chain.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database

    def confirm(self, identity: ModelIdentity) -> None:
        """Log what was found.

        A ledger that does not answer, or tells of no registration at all, cannot be asked: the
        version passes, so that a server starts without the pipeline's database.

        Raises:
            BundleInvalid: the lines about this version name another bundle, or there are none in a
                ledger that tells of other registrations.
            LedgerBroken: a line about this version was changed.
        """
        subject = f"{identity.name}/{identity.version}"
        try:
            entries = ledger.about(self._database, subject)
            registers = bool(entries) or ledger.tells_of(self._database, [_REGISTER])
        except Unavailable:
            _logger.warning("%s could not be checked against the ledger: no answer", subject)
            return
        bundles = {entry.evidence["bundle_sha256"] for entry in entries if _names_bundle(entry)}
        if not bundles and registers:
            raise BundleInvalid(
                f"The ledger tells of other versions and not of {subject}.",
                remedy="Register versions with the pipeline; find out who pointed the alias here.",
            )
        if not bundles:
            _logger.warning(
                "%s could not be checked against the ledger: it tells of no registration", subject
            )
        elif bundles != {identity.bundle}:
            raise BundleInvalid(
                f"The ledger knows {subject} by another bundle than the registry's tag names.",
                remedy="Find out who changed the tag; `vigie ledger` shows what was registered.",
            )
        else:
            _logger.info("%s is in the ledger with the same bundle", subject)


def _names_bundle(entry: LedgerEntry) -> bool:
    return "bundle_sha256" in entry.evidence
