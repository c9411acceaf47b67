"""The tenant of a notebook: a sandbox, or the environment's, which it cannot change."""

from datetime import timedelta

import pytest

import frgroups as fg
from frgroups.errors import NotWritableError

SECONDS = timedelta(seconds=60)


@pytest.fixture
def environment(monkeypatch):
    """Sets the variables that name a tenant; None leaves one out."""

    def set_to(**variables):
        for name in ("TENANT_UID", "TOKEN", "BASE_URL", "SANDBOX"):
            value = variables.get(name.lower())
            if value is None:
                monkeypatch.delenv(f"FRGROUPS_{name}", raising=False)
            else:
                monkeypatch.setenv(f"FRGROUPS_{name}", value)

    set_to()
    return set_to


def test_without_a_tenant_in_the_environment_it_is_a_sandbox(environment):
    "A sandbox of the size asked for is started, and may be written to."
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
def test_it_says_which_tenant_it_looks_at(environment, base_url, place):
    "The text and the card of a session name the place, and never show the token."
    environment(tenant_uid="t-1", token="secret-token", base_url=base_url)

    with fg.start_session() as session:
        card = session._repr_html_()

    assert repr(session) == f"<Session on {place}: t-1, reads only>"
    assert f"<strong>{place}</strong>" in card and "reads only" in card
    assert "secret-token" not in card


@pytest.mark.parametrize("base_url", ["stage", "production", "the sandbox"])
def test_a_tenant_of_the_environment_cannot_be_written_to(environment, base_url):
    "No write of the client is sent, nor one of a plan: it answers that it was not made to write."
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


def test_a_plan_is_not_applied_to_a_tenant_of_the_environment(environment):
    "An approved plan stops at the client, and every request was a GET."
    with fg.Sandbox(customers=60, groups=8) as sandbox:
        environment(tenant_uid=sandbox.tenant_uid, token=sandbox.token, base_url=sandbox.base_url)
        with fg.start_session() as session:
            snapshot = fg.load_snapshot(session.client, False)
            plan = fg.plan_memberships(snapshot, {"pilot": list(snapshot["loyalty"][:2])})

            with pytest.raises(NotWritableError):
                fg.apply_plan(session.client, plan, approval=plan.digest)
            methods = {request["method"] for request in sandbox.requests()}

    assert methods == {"GET"}


def test_the_variables_that_frgroups_notebooks_lends_name_no_tenant_of_ones_own(environment):
    "With FRGROUPS_SANDBOX set a sandbox is started, whatever else the environment names."
    environment(tenant_uid="t-1", token="secret-token", base_url="production", sandbox="1")

    with fg.start_session(customers=60, groups=8) as session:
        assert session.place == "sandbox"
        assert session.client.base_url == session.sandbox.base_url


def test_a_tenant_without_a_token_is_an_error(environment):
    "Rather than a sandbox, which nobody asked for."
    environment(tenant_uid="t-1")

    with pytest.raises(fg.errors.InputError, match="FRGROUPS_TOKEN is not set"):
        fg.start_session()
