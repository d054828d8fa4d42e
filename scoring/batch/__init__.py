"""Scoring of files, in bounded memory."""
