"""The edge agent: manifests, and the modules that they are about."""
