"""List the invariants of planning and applying, with the tests that check each invariant."""

import re
from pathlib import Path

import pytest

import frgroups as fg

# The statement of each invariant, followed by its tests as file.test.
INVARIANTS = {
    1: (
        "After an apply, the groups have the desired members. Other groups do not change.",
        "planner.test_mirror",
        "executor.test_round_trip",
    ),
    2: (
        "A plan is empty if the groups already have the desired members.",
        "planner.test_nothing_to_do",
        "executor.test_round_trip",
    ),
    3: (
        "A plan is minimal.",
        "planner.test_minimal_plan",
    ),
    4: (
        "The mode add removes no customer, and the modes remove and keep_only add no customer.",
        "planner.test_add_and_keep_only",
        "modes.test_remove",
    ),
    5: (
        "Protected customers are never removed. A protected group blocks the plan.",
        "planner.test_protect",
        "exclusions.test_excluded_customers",
        "customer_findings.test_apply_protected_group",
    ),
    6: (
        "The digest depends on the content of a plan and not on its representation.",
        "plan.test_digest_of_equivalent_tables",
        "plan.test_digest_covers",
    ),
    7: (
        "A saved plan is read without changes. Other bytes, versions, tenants and hosts are rejected.",
        "plan.test_file_round_trip",
        "plan.test_flipped_bit",
        "plan.test_other_version",
        "executor.test_wrong_tenant",
    ),
    8: (
        "The plans of single groups add up to the complete plan. The limits are checked for each selection.",
        "planner.test_groups_are_independent",
        "planner.test_selection",
        "plan.test_limits_of_selection",
    ),
    9: (
        "A group that changed during the load is rejected. An unverifiable group results in a finding.",
        "planner.test_drifted_group",
        "planner.test_covered_and_unverifiable_groups",
    ),
    10: (
        "Each id has one result. An unknown customer uid results in a finding and is rejected by the server.",
        "customer_lists.test_outcome_property",
        "planner.test_unknown_customers",
    ),
    11: (
        "A plan that exceeds a limit is not applied.",
        "limits.test_violations_are_complete",
        "executor.test_blocked_plan",
    ),
    12: (
        "A stricter limit never allows a plan that was blocked.",
        "limits.test_stricter_limit",
    ),
    13: (
        "Limits also apply to first, small, partial, resumed and undo plans, and to new groups.",
        "apply_laws.test_limits_of_small_plans",
        "apply_laws.test_limits_of_undo_and_selection",
        "apply_laws.test_limits_of_resumed_plan",
    ),
    14: (
        "All groups are checked before the first change is sent.",
        "apply_laws.test_limit_of_one_group",
    ),
    15: (
        "An approval is valid for one digest and one apply, and it expires.",
        "approval.test_other_plan",
        "approval.test_same_digest",
        "approval.test_expiry",
    ),
    16: (
        "The limit removals_per_day applies to all plans of a day together.",
        "limits.test_removals_per_day",
        "apply_laws.test_daily_limit_over_several_plans",
    ),
    17: (
        "Planning sends no changes.",
        "client.test_read_only_client",
        "invariants.test_planning_only_reads",
    ),
    18: (
        "If one group has drifted, no group is changed. Changes by others within the limits are reported and kept.",
        "undone_and_renamed.test_swapped_name",
        "apply_laws.test_drift_of_one_group",
        "executor.test_drift_limit",
        "executor.test_drift_in_receipt",
    ),
    19: (
        "The result does not depend on the chunk size. Changes are sent one request at a time.",
        "apply_laws.test_chunk_size",
    ),
    20: (
        "A run can be resumed after one or two crashes at any step.",
        "apply_crash.test_crash_at_every_step",
        "executor.test_crash_at_journal_lines",
    ),
    21: (
        "Only changes in the plan are sent.",
        "apply_machine.test_random_steps",
        "apply_faults.test_fault",
        "apply_laws.test_requests_of_bisection",
    ),
    22: (
        "A chunk that is sent twice or processed late does not change the result.",
        "apply_faults.test_fault",
        "apply_crash.test_crash_at_every_step",
    ),
    23: (
        "If the result of a request is unknown, the group is read.",
        "executor.test_unknown_results_are_read_back",
        "apply_faults.test_fault",
    ),
    24: (
        "Bisection finds the rejected customers within the maximum number of requests.",
        "apply_laws.test_requests_of_bisection",
    ),
    25: (
        "Requests are repeated within limits. Status 401 and 403 stop the run.",
        "apply_faults.test_fault",
        "apply_again.test_total_wait_after_429",
        "retry.test_total_wait",
    ),
    26: (
        "A moved customer is added to the new group before the removal from the old group.",
        "moves.test_removal_after_addition_is_visible",
        "executor.test_rejected_move",
        "apply_laws.test_removals_require_additions",
    ),
    27: (
        "Verified changes were read back. Each change has one state. Ignored changes are not effective.",
        "receipt.test_each_change_has_one_state",
        "executor.test_ignored_customers",
        "apply_machine.test_random_steps",
    ),
    28: (
        "Of two simultaneous applies, one sends changes. The lock is released when its process ends.",
        "apply_race.test_two_processes",
        "locks.test_killed_process_releases_its_locks",
    ),
    29: (
        "An undo reverts the changes that took effect and no others.",
        "receipt.test_undo_after_edits_by_others",
        "receipt.test_undo_of_undo",
        "executor.test_changes_by_others_remain",
        "undone_and_renamed.test_undone_plan",
        "apply_machine.test_random_steps",
    ),
    30: (
        "The journal contains the complete state and no secrets. Altered lines are detected.",
        "journal.test_state_while_writing",
        "journal.test_incomplete_last_line",
        "journal.test_flipped_bit",
        "executor.test_no_secrets_in_journal",
    ),
    31: (
        "Nothing is sent without an approval. The approval does not authenticate the reviewer.",
        "executor.test_invalid_approval",
        "approval.test_expiry",
    ),
    32: (
        "Each result has a distinct exit code.",
        "main.test_rejected_items_exit_with_5",
        "main.test_a_read_back_that_disagrees_exits_with_6",
        "main.test_no_approval_exits_with_8",
        "main.test_drift_exits_with_4",
        "main.test_a_locked_tenant_exits_with_7",
        "main.test_nothing_to_do_exits_with_0",
        "apply_faults.test_fault",
    ),
    33: (
        "All review formats contain the same operations, escape names, and mark shortened lists.",
        "writer.test_formats_agree",
        "writer.test_hostile_names",
        "writer.test_csv_formulas",
        "writer.test_cut_lists",
    ),
    34: (
        "The same plan has the same review page, and the same groups have the same digest.",
        "writer.test_deterministic",
        "executor.test_digest_is_reproducible",
    ),
}
TESTS = Path(__file__).parents[1]
CHECKED_BY = [(number, test) for number, (_, *tests) in INVARIANTS.items() for test in tests]


def test_invariants_have_tests():
    "The list contains all 34 invariants, and each invariant has a test."
    assert list(INVARIANTS) == list(range(1, 35))
    assert [number for number, (_, *tests) in INVARIANTS.items() if not tests] == []


@pytest.mark.parametrize("number, test", CHECKED_BY)
def test_listed_test_exists(number, test):
    "Each test in the list of invariants exists. Update the list when you rename or delete a test."
    file, name = test.split(".")

    matches = re.findall(
        rf"^def {name}\(", next(TESTS.rglob(f"test_{file}.py")).read_text(encoding="utf-8"), re.MULTILINE
    )

    assert len(matches) == 1


def test_planning_only_reads():
    "Only GET requests are sent while a tenant is loaded and a plan is created, reviewed, and approved."
    with fg.Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        plan = fg.plan_memberships(fg.load_snapshot(client), {"VIP": ["no-such-customer"]}, create={"new": "New"})
        fg.save_review(plan, fg.home() / "review.html")
        fg.approve_plan(plan, fg.home() / "plan.approval.json", by="Kari")

        assert {request["method"] for request in sandbox.requests()} == {"GET"}
