"""The model behind other servers: as little code as each needs."""
