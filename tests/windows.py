"""Write the freeze periods and apply windows of a tenant in tests."""

from datetime import UTC, datetime, timedelta

import frgroups as fg


def write_windows(text, tenant):
    """Write the file with the apply windows of a tenant, and return its path."""
    path = fg.apply_windows_path(tenant)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_freeze(tenant):
    """Write a freeze that started an hour ago and ends in an hour, and return its end."""
    now = datetime.now(UTC).replace(microsecond=0)
    start, end = now - timedelta(hours=1), now + timedelta(hours=1)
    write_windows(f'[[freeze]]\nfrom = {start.isoformat()}\nto = {end.isoformat()}\nreason = "Black Week"\n', tenant)
    return end
