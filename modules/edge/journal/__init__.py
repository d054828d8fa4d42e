"""The journal: what a module has taken from edgeHub and not yet answered, on disk."""

from modules.edge.journal.journal import Durability, Entry, HistoryChanges, Journal, JournalError, Outgoing

__all__ = ["Durability", "Entry", "HistoryChanges", "Journal", "JournalError", "Outgoing"]
