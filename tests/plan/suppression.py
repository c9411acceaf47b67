"""Suppression lists and plans for tests of the suppression list."""

import frgroups as fg

CUSTOMERS = [f"c{n:02d}" for n in range(20)]


def write_list(tenant, text, *, encoding="utf-8"):
    """Write the suppression list of a tenant and return its path."""
    path = fg.suppression_list_path(tenant)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    return path


def excluded_of(plan):
    """Return the excluded changes of a plan as tuples of customer, change, and reason."""
    return list(plan.excluded()[["customer_uid", "change", "reason"]].itertuples(index=False, name=None))


def plan_for(client, desired, **options):
    """Load the tenant and create a plan."""
    return fg.plan_memberships(fg.load_snapshot(client, False), desired, **options)
