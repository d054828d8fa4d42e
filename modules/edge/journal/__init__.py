"""The journal: what a module has taken from edgeHub and not yet answered, on disk."""

from modules.edge.journal.errors import Durability, JournalBrokenError, JournalError
from modules.edge.journal.journal import Incoming, Journal, Outgoing, Settlement

__all__ = ["Durability", "Incoming", "Journal", "JournalBrokenError", "JournalError", "Outgoing", "Settlement"]
