"""What all tests share."""

from hypothesis import settings

# `--hypothesis-profile many`, as `make reliability` uses it.
settings.register_profile("many", max_examples=100_000, deadline=None)
# A slow machine is no failure: no test asserts a time.
settings.register_profile("default", deadline=None)
# `make test-quick`
settings.register_profile("quick", max_examples=20, deadline=None)
settings.load_profile("default")
