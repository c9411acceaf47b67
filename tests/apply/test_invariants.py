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
        "executor.test_round_trip",
    ),
    2: (
        "What is as wanted needs nothing, also right after an apply.",
        "planner.test_nothing_to_do",
        "executor.test_round_trip",
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
        "executor.test_wrong_tenant",
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
        "executor.test_blocked_plan",
    ),
    12: (
        "A stricter limit never unblocks.",
        "limits.test_stricter_limit",
    ),
    13: (
        "No first, small, created, partial, resumed or undo plan passes a limit.",
        "apply_laws.test_limits_of_small_plans",
        "apply_laws.test_limits_of_undo_and_selection",
        "apply_laws.test_limits_of_resumed_plan",
    ),
    14: (
        "All groups are checked before the first write.",
        "apply_laws.test_limit_of_one_group",
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
        "apply_laws.test_daily_limit_over_several_plans",
    ),
    17: (
        "Planning only reads.",
        "client.test_a_client_that_only_reads_sends_no_write",
        "invariants.test_planning_only_reads",
    ),
    18: (
        "Drift of one group keeps all as they are. Others' changes within the limits are told and left.",
        "apply_laws.test_drift_of_one_group",
        "executor.test_drift_limit",
        "executor.test_drift_in_receipt",
    ),
    19: (
        "World and states do not depend on chunks; writes are never sent side by side.",
        "apply_laws.test_chunk_size",
    ),
    20: (
        "A crash anywhere, and two in a row, lose nothing.",
        "apply_crash.test_crash_at_every_step",
        "executor.test_crash_at_journal_lines",
    ),
    21: (
        "What is sent is in the plan.",
        "apply_machine.test_random_steps",
        "apply_faults.test_fault",
        "apply_laws.test_requests_of_bisection",
    ),
    22: (
        "Sending a chunk twice, or late, changes nothing in the end.",
        "apply_faults.test_fault",
        "apply_crash.test_crash_at_every_step",
    ),
    23: (
        "An outcome that nobody told is decided by reading.",
        "executor.test_unknown_results_are_read_back",
        "apply_faults.test_fault",
    ),
    24: (
        "Bisection finds the bad uids within its bound.",
        "apply_laws.test_requests_of_bisection",
    ),
    25: (
        "What may be tried again is, within bounds; 401 and 403 stop.",
        "apply_faults.test_fault",
        "apply_again.test_total_wait_after_429",
        "retry.test_total_wait",
    ),
    26: (
        "A move arrives before it leaves.",
        "moves.test_removal_after_addition_is_visible",
        "executor.test_rejected_move",
    ),
    27: (
        "Verified was read; states partition the plan; what is passed over is not effective.",
        "receipt.test_each_change_has_one_state",
        "executor.test_ignored_customers",
        "apply_machine.test_random_steps",
    ),
    28: (
        "Of two applies one sends. The lock is the system's, so a dead holder's is free at once.",
        "apply_race.test_two_processes",
        "locks.test_the_locks_of_a_killed_process_do_not_hold",
    ),
    29: (
        "Undo takes back what really changed, and nothing else.",
        "receipt.test_undo_after_edits_by_others",
        "receipt.test_undo_of_undo",
        "executor.test_changes_by_others_remain",
        "apply_machine.test_random_steps",
    ),
    30: (
        "The journal tells it all, a torn last line is dropped, an altered one is noticed, no secret is in it.",
        "journal.test_state_while_writing",
        "journal.test_incomplete_last_line",
        "journal.test_flipped_bit",
        "executor.test_no_secrets_in_journal",
    ),
    31: (
        "Without an approval nothing is sent. It records and does not authenticate, so the same person may approve.",
        "executor.test_invalid_approval",
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
        "apply_faults.test_fault",
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
        "executor.test_digest_is_reproducible",
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
