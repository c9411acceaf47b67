"""The invariants of planning and applying, by number, and the tests that hold each."""

import re
from pathlib import Path

import pytest

import frgroups as fg

# What must hold, with where the design decides otherwise; then the tests that hold it, as file.test.
INVARIANTS = {
    1: (
        "Applying the plan makes the world as wanted; other groups stay.",
        "planner.test_mirror",
        "executor.test_load_plan_apply_load_gives_the_wanted_membership",
    ),
    2: (
        "What is as wanted needs nothing, also right after an apply.",
        "planner.test_nothing_to_do",
        "executor.test_load_plan_apply_load_gives_the_wanted_membership",
    ),
    3: (
        "A plan is minimal.",
        "planner.test_minimal_plan",
    ),
    4: (
        "add does not remove, keep_only does not add; there is no mode `managed`.",
        "planner.test_add_and_keep_only",
    ),
    5: (
        "Who is protected is never removed; a protected group blocks.",
        "planner.test_protect",
        "exclusions.test_excluded_customers",
        "customer_findings.test_apply_protected_group",
    ),
    6: (
        "The digest is blind to representation and sees every part of the meaning.",
        "plan.test_digest_of_equivalent_tables",
        "plan.test_digest_covers",
    ),
    7: (
        "A plan survives its file; another byte, version, tenant or host is refused.",
        "plan.test_file_round_trip",
        "plan.test_flipped_bit",
        "plan.test_other_version",
        "executor.test_a_plan_goes_to_its_own_tenant_and_host_only",
    ),
    8: (
        "Plans of single groups make up the whole; a selection has limits of its own.",
        "planner.test_groups_are_independent",
        "planner.test_selection",
        "plan.test_limits_of_selection",
    ),
    9: (
        "A group that drifted while it was read is not planned on; an unverifiable one is a finding.",
        "planner.test_drifted_group",
        "planner.test_covered_and_unverifiable_groups",
    ),
    10: (
        "Every id has one outcome; an unknown customer uid is a finding, and ends as rejected.",
        "customer_lists.test_every_id_has_one_outcome_and_nobody_is_guessed",
        "planner.test_unknown_customers",
    ),
    11: (
        "Nothing passes beyond a limit.",
        "limits.test_violations_are_complete",
        "executor.test_a_blocked_plan_is_refused_with_its_numbers",
    ),
    12: (
        "A stricter limit never unblocks.",
        "limits.test_stricter_limit",
    ),
    13: (
        "No first, small, created, partial, resumed or undo plan passes a limit.",
        "apply_laws.test_no_first_or_small_plan_passes_a_limit",
        "apply_laws.test_an_undo_and_a_selection_pass_no_limit",
        "apply_laws.test_a_plan_that_is_gone_on_with_passes_no_limit",
    ),
    14: (
        "All groups are checked before the first write.",
        "apply_laws.test_limits_of_one_group_keep_every_group_as_it_is",
    ),
    15: (
        "An approval is for one digest and one apply, and ends.",
        "approval.test_other_plan",
        "approval.test_same_digest",
        "approval.test_expiry",
    ),
    16: (
        "Removals cut into several plans of a day meet the limit of a day, where one is set.",
        "limits.test_removals_per_day",
        "apply_laws.test_many_plans_of_a_day_pass_no_limit_that_one_may_not",
    ),
    17: (
        "Planning only reads.",
        "client.test_read_only_client",
        "invariants.test_planning_only_reads",
    ),
    18: (
        "Drift of one group keeps all as they are. Others' changes within the limits are told and left.",
        "apply_laws.test_drift_of_one_group_keeps_every_group_as_it_is",
        "executor.test_drift_beyond_the_floor_is_refused",
        "executor.test_drift_that_was_let_through_is_told",
    ),
    19: (
        "World and states do not depend on chunks; writes are never sent side by side.",
        "apply_laws.test_chunks_change_nothing_but_the_requests",
    ),
    20: (
        "A crash anywhere, and two in a row, lose nothing.",
        "apply_crash.test_a_run_that_dies_anywhere_is_gone_on_with",
        "executor.test_a_crash_at_any_line_of_the_journal_loses_nothing",
    ),
    21: (
        "What is sent is in the plan.",
        "apply_machine.test_any_order_of_steps_keeps_the_promises",
        "apply_faults.test_a_fault_ends_as_the_matrix_says",
        "apply_laws.test_a_bad_uid_costs_two_requests_for_each_halving",
    ),
    22: (
        "Sending a chunk twice, or late, changes nothing in the end.",
        "apply_faults.test_a_fault_ends_as_the_matrix_says",
        "apply_crash.test_a_run_that_dies_anywhere_is_gone_on_with",
    ),
    23: (
        "An outcome that nobody told is decided by reading.",
        "executor.test_unknown_outcomes_are_decided_by_reading",
        "apply_faults.test_a_fault_ends_as_the_matrix_says",
    ),
    24: (
        "Bisection finds the bad uids within its bound.",
        "apply_laws.test_a_bad_uid_costs_two_requests_for_each_halving",
    ),
    25: (
        "What may be tried again is, within bounds; 401 and 403 stop.",
        "apply_faults.test_a_fault_ends_as_the_matrix_says",
        "apply_again.test_waits_after_429s_are_bounded_for_a_whole_run",
        "retry.test_total_wait",
    ),
    26: (
        "A move arrives before it leaves.",
        "moves.test_removal_after_addition_is_visible",
        "executor.test_a_customer_who_may_not_join_keeps_the_group_that_the_plan_would_have_taken",
    ),
    27: (
        "Verified was read; states partition the plan; what is passed over is not effective.",
        "receipt.test_the_states_partition_the_plan",
        "executor.test_ignored_customers_are_not_effective",
        "apply_machine.test_any_order_of_steps_keeps_the_promises",
    ),
    28: (
        "Of two applies one sends. The lock is the system's, so a dead holder's is free at once.",
        "apply_race.test_of_two_processes_one_sends",
        "locks.test_killed_process_releases_its_locks",
    ),
    29: (
        "Undo takes back what really changed, and nothing else.",
        "receipt.test_an_undo_restores_every_customer_that_the_plan_changed",
        "receipt.test_an_undo_of_an_undo_is_the_plan",
        "executor.test_what_others_did_to_others_stays",
        "apply_machine.test_any_order_of_steps_keeps_the_promises",
    ),
    30: (
        "The journal tells it all, a torn last line is dropped, an altered one is noticed, no secret is in it.",
        "journal.test_the_state_while_writing_is_the_state_that_is_read",
        "journal.test_a_torn_last_line_is_dropped_wherever_it_tore",
        "journal.test_an_altered_byte_is_noticed_at_every_position",
        "executor.test_the_journal_holds_no_secret_and_no_contact",
    ),
    31: (
        "Without an approval nothing is sent. It records and does not authenticate, so the same person may approve.",
        "executor.test_without_the_right_approval_nothing_is_sent",
        "approval.test_expiry",
    ),
    32: (
        "Exit codes are disjoint.",
        "main.test_rejected_items_exit_with_5",
        "main.test_a_read_back_that_disagrees_exits_with_6",
        "main.test_no_approval_exits_with_8",
        "main.test_drift_exits_with_4",
        "main.test_a_locked_tenant_exits_with_7",
        "main.test_nothing_to_do_exits_with_0",
        "apply_faults.test_a_fault_ends_as_the_matrix_says",
    ),
    33: (
        "Every rendering holds the same operations, escapes, and says what is cut.",
        "writer.test_formats_agree",
        "writer.test_hostile_names",
        "writer.test_csv_formulas",
        "writer.test_cut_lists",
    ),
    34: (
        "The same plan gives the same page, and the same world the same digest.",
        "writer.test_deterministic",
        "executor.test_the_same_world_plans_to_the_same_digest",
    ),
}
TESTS = Path(__file__).parents[1]
HELD_BY = [(number, test) for number, (_, *tests) in INVARIANTS.items() for test in tests]


def test_every_invariant_has_its_place():
    "All 34 are listed, and each names a test."
    assert list(INVARIANTS) == list(range(1, 35))
    assert [number for number, (_, *tests) in INVARIANTS.items() if not tests] == []


@pytest.mark.parametrize("number, test", HELD_BY)
def test_the_tests_that_hold_an_invariant_exist(number, test):
    "Whoever renames or deletes such a test says here what holds the invariant now."
    file, name = test.split(".")

    found = re.findall(
        rf"^def {name}\(", next(TESTS.rglob(f"test_{file}.py")).read_text(encoding="utf-8"), re.MULTILINE
    )

    assert len(found) == 1


def test_planning_only_reads():
    "Loading, planning, reviewing and approving send nothing but GET."
    with fg.Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        plan = fg.plan_memberships(fg.load_snapshot(client), {"VIP": ["no-such-customer"]}, create={"new": "New"})
        fg.save_review(plan, fg.home() / "review.html")
        fg.approve_plan(plan, fg.home() / "plan.approval.json", by="Kari")

        assert {request["method"] for request in sandbox.requests()} == {"GET"}
