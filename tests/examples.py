"""Settings and characters of property-based and parametrized tests."""

import sys
import unicodedata
from collections import defaultdict
from functools import cache

from hypothesis import settings


def at_most(n_examples, **options):
    """Return settings with at most `n_examples` examples, or fewer if the profile has fewer."""
    return settings(max_examples=min(n_examples, settings.default.max_examples), **options)


def characters_in(*categories):
    """Return the characters in Unicode categories, such as "Cf", in the order of their code points."""
    return sorted(character for category in categories for character in characters_by_category()[category])


@cache
def characters_by_category():
    """Return the characters in each Unicode category, except for unassigned and private characters."""
    by_category = defaultdict(list)
    for character in map(chr, range(sys.maxunicode + 1)):
        if (category := unicodedata.category(character)) not in ("Cn", "Co"):
            by_category[category].append(character)
    return dict(by_category)
