"""Settings of property-based tests that need fewer examples than the profile allows."""

from hypothesis import settings


def at_most(n_examples, **options):
    """Return settings with at most `n_examples` examples, or fewer if the profile has fewer."""
    return settings(max_examples=min(n_examples, settings.default.max_examples), **options)
