"""Tests for notebook sessions, which connect to a sandbox or to the tenant in the environment variables."""

from datetime import timedelta

import pytest

import frgroups as fg
from frgroups.errors import NotWritableError

SECONDS = timedelta(seconds=60)


@pytest.fixture
def environment(monkeypatch):
    """Return a function that sets the given environment variables of frgroups and deletes all others."""

    def set_to(**variables):
        for name in ("TENANT_UID", "TOKEN", "BASE_URL", "SANDBOX"):
            value = variables.get(name.lower())
            if value is None:
                monkeypatch.delenv(f"FRGROUPS_{name}", raising=False)
            else:
                monkeypatch.setenv(f"FRGROUPS_{name}", value)

    set_to()
    return set_to


def test_sandbox_session(environment):
    "If the environment variables define no tenant, a session starts a writable sandbox of the requested size."
    with fg.start_session(customers=60, groups=8, days_ago=30) as session:
        assert session.place == "sandbox"
        assert len(session.sandbox.groups()) == 8
        assert session.client.writable
        assert fg.load_snapshot(session.client, False).taken_at == pytest.approx(session.sandbox.now(), abs=SECONDS)


@pytest.mark.parametrize(
    ("base_url", "place"),
    [
        (None, "stage"),
        ("stage", "stage"),
        ("production", "PRODUCTION"),
        ("https://api.flowretail.com/v2", "PRODUCTION"),
        ("https://flow.example/v2", "flow.example"),
    ],
)
def test_repr(environment, base_url, place):
    "The repr and the card of a session show the location of the tenant, but not the token."
    environment(tenant_uid="t-1", token="secret-token", base_url=base_url)

    with fg.start_session() as session:
        card = session._repr_html_()

    assert repr(session) == f"<Session on {place}: t-1, reads only>"
    assert f"<strong>{place}</strong>" in card and "reads only" in card
    assert "secret-token" not in card


@pytest.mark.parametrize("base_url", ["stage", "production", "the sandbox"])
def test_session_is_read_only(environment, base_url):
    "In a session for a tenant from the environment, all writes raise NotWritableError without sending a request."
    with fg.Sandbox(customers=60, groups=8) as sandbox:
        url = sandbox.base_url if base_url == "the sandbox" else base_url
        environment(tenant_uid=sandbox.tenant_uid, token=sandbox.token, base_url=url)
        with fg.start_session() as session:
            writes = [
                lambda client: client.update_group_customers("loyalty", add=["c-1"]),
                lambda client: client.update_group("loyalty", name="Club"),
                lambda client: client.create_group("Club"),
                lambda client: client.delete_group("loyalty"),
            ]

            for write in writes:
                with pytest.raises(NotWritableError):
                    write(session.client)
            sent = sandbox.requests()

    assert session.sandbox is None
    assert sent == []


def test_apply_in_a_read_only_session(environment):
    "In a session for a tenant from the environment, applying an approved plan fails, and only reads are sent."
    with fg.Sandbox(customers=60, groups=8) as sandbox:
        environment(tenant_uid=sandbox.tenant_uid, token=sandbox.token, base_url=sandbox.base_url)
        with fg.start_session() as session:
            snapshot = fg.load_snapshot(session.client, False)
            plan = fg.plan_memberships(snapshot, {"pilot": list(snapshot["loyalty"][:2])})

            with pytest.raises(NotWritableError):
                fg.apply_plan(session.client, plan, approval=plan.digest)
            methods = {request["method"] for request in sandbox.requests()}

    assert methods == {"GET"}


def test_frgroups_sandbox_variable(environment):
    "If FRGROUPS_SANDBOX is set, a session starts a sandbox even if the environment variables define a tenant."
    environment(tenant_uid="t-1", token="secret-token", base_url="production", sandbox="1")

    with fg.start_session(customers=60, groups=8) as session:
        assert session.place == "sandbox"
        assert session.client.base_url == session.sandbox.base_url


def test_missing_token(environment):
    "If a tenant is set without a token, starting a session raises InputError instead of starting a sandbox."
    environment(tenant_uid="t-1")

    with pytest.raises(fg.errors.InputError, match="FRGROUPS_TOKEN"):
        fg.start_session()
