"""The edge hub: sessions, store and forward, methods."""
