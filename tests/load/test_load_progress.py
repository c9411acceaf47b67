"""Tests for the progress of a load: the progress bar never moves backward and ends at the total."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from frgroups.internals.progress import Progress
from frgroups.load.load_progress import LoadProgress

QUIET = SimpleNamespace(n_requests=7, paused_for=0.0)


class Bar(Progress):
    """Progress bar that records its updates."""

    def __init__(self):
        self.updates, self.notes = [], []
        super().__init__(
            "Loading", unit="memberships", show=lambda _, done, total: self.updates.append((done, total))
        )

    def note(self, text):
        self.notes.append(text)


def make_progress(*groups):
    bar = Bar()
    return LoadProgress(bar, groups), bar


def test_total():
    """The progress bar receives a total as soon as the totals of all groups are known."""
    progress, bar = make_progress("a", "b")

    progress.add_rows("a", 5, 12)
    progress.update_bar(QUIET)
    progress.add_rows("b", 3, 3)
    progress.update_bar(QUIET)

    assert bar.updates == [(5, None), (5, 15), (8, 15)]


def test_no_change():
    """The progress bar is not updated if the number of rows has not changed."""
    progress, bar = make_progress("a")
    progress.add_rows("a", 5, 12)

    progress.update_bar(QUIET)
    progress.update_bar(QUIET)

    assert bar.updates == [(0, 12), (5, 12)]


def test_rows_beyond_total():
    """Rows beyond the total of a group are not counted, because pages overlap and are read again."""
    progress, bar = make_progress("a", "b")

    for _ in range(4):
        progress.add_rows("a", 5, 12)
    progress.expect({"b": 8})
    progress.update_bar(QUIET)

    assert bar.updates == [(0, 20), (12, 20)]


def test_finished_group():
    """A group that has been read counts with its final number of rows, even if another number was expected."""
    progress, bar = make_progress("covered", "grown", "gone")
    progress.expect({"covered": 90, "grown": 3, "gone": 5})

    progress.finish_group("covered", 100)
    progress.add_rows("grown", 4, 4)
    progress.finish_group("grown", 4)
    progress.finish_group("gone", 0)
    progress.update_bar(QUIET)

    assert bar.updates == [(0, 104), (104, 104)]


def test_group_read_again():
    """If a group is read again with a smaller total, the progress bar does not move backward."""
    progress, bar = make_progress("a")
    progress.finish_group("a", 10)
    progress.update_bar(QUIET)

    for _ in range(2):
        progress.add_rows("a", 4, 8)
        progress.update_bar(QUIET)
    progress.finish_group("a", 8)
    progress.update_bar(QUIET)

    assert bar.updates == [(0, 10), (10, 10)]


def test_note():
    """The progress note contains the number of requests and the seconds of a pause, but no second rate."""
    progress, bar = make_progress("a")

    progress.update_bar(QUIET)
    progress.update_bar(SimpleNamespace(n_requests=12_345, paused_for=7.6))
    progress.update_bar(SimpleNamespace(n_requests=12_345, paused_for=0.4))

    assert bar.notes[0] == "7 requests"
    assert "12,345 requests" in bar.notes[1] and " 8 s" in bar.notes[1]
    assert " 1 s" in bar.notes[2]


uids = st.sampled_from(["a", "b", "c"])
counts = st.integers(0, 20)
events = st.lists(
    st.one_of(
        st.tuples(st.just("add_rows"), uids, counts, counts),
        st.tuples(st.just("finish_group"), uids, counts),
        st.tuples(st.just("expect"), st.dictionaries(uids, counts)),
    ),
    max_size=20,
)


@given(events=events, last=st.lists(counts, min_size=3, max_size=3))
def test_bar_is_monotonic(events, last):
    """The progress bar never moves backward, never exceeds the total, and ends at the total."""
    progress, bar = make_progress("a", "b", "c")

    for method, *arguments in events:
        getattr(progress, method)(*arguments)
        progress.update_bar(QUIET)
    for uid, n in zip("abc", last, strict=True):
        progress.finish_group(uid, n)
    progress.update_bar(QUIET)

    done = [step for step, _ in bar.updates]
    # A new total is reported before the rows that belong to it.
    assert done == sorted(done)
    assert all(total is None or step <= total for step, total in bar.updates)
    assert not bar.updates or bar.updates[-1][0] == bar.updates[-1][1]
