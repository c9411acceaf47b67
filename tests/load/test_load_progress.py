"""How far a load is, as its bar is told: it never goes back, and ends where all is read."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from frgroups.internals.progress import Progress
from frgroups.load.load_progress import LoadProgress

QUIET = SimpleNamespace(n_requests=7, paused_for=0.0)


class Bar(Progress):
    """A bar that keeps what it was told."""

    def __init__(self):
        self.news, self.notes = [], []
        super().__init__("Loading", unit="memberships", show=lambda _, done, total: self.news.append((done, total)))

    def note(self, text):
        self.notes.append(text)


def shown(*groups):
    bar = Bar()
    return LoadProgress(bar, groups), bar


def test_the_total_is_told_as_soon_as_every_group_has_one():
    "Until then only how much is done is known."
    bar_of, bar = shown("a", "b")

    bar_of.add_rows("a", 5, 12)
    bar_of.update_bar(QUIET, 5)
    bar_of.add_rows("b", 3, 3)
    bar_of.update_bar(QUIET, 8)

    assert bar.news == [(5, None), (5, 15), (8, 15)]


def test_nothing_new_is_no_news():
    "Told twice where it stands, the bar is moved once."
    bar_of, bar = shown("a")
    bar_of.add_rows("a", 5, 12)

    bar_of.update_bar(QUIET, 5)
    bar_of.update_bar(QUIET, 5)

    assert bar.news == [(0, 12), (5, 12)]


def test_a_group_counts_up_to_its_total():
    "Pages share rows and are read again; that is no progress beyond the group."
    bar_of, bar = shown("a", "b")

    for _ in range(4):
        bar_of.add_rows("a", 5, 12)
    bar_of.expect({"b": 8})
    bar_of.update_bar(QUIET, 12)

    assert bar.news == [(0, 20), (12, 20)]


def test_a_group_that_is_read_is_whole():
    "Whatever was expected of it: covered without a page, larger than thought, or gone."
    bar_of, bar = shown("covered", "grown", "gone")
    bar_of.expect({"covered": 90, "grown": 3, "gone": 5})

    bar_of.finish_group("covered", 100)
    bar_of.add_rows("grown", 4, 4)
    bar_of.finish_group("grown", 4)
    bar_of.finish_group("gone", 0)
    bar_of.update_bar(QUIET, 100)

    assert bar.news == [(0, 104), (104, 104)]


def test_a_group_that_is_read_again_takes_nothing_back():
    "What was covered and is paged after all, with a smaller total by now, stays done."
    bar_of, bar = shown("a")
    bar_of.finish_group("a", 10)
    bar_of.update_bar(QUIET, 10)

    for _ in range(2):
        bar_of.add_rows("a", 4, 8)
        bar_of.update_bar(QUIET, 10)
    bar_of.finish_group("a", 8)
    bar_of.update_bar(QUIET, 10)

    assert bar.news == [(0, 10), (10, 10)]


def test_the_note_tells_requests_customers_and_waits():
    "Requests and customers a second; a wait in whole seconds, and why."
    bar_of, bar = shown("a")

    bar_of.update_bar(QUIET, 0)
    bar_of.update_bar(SimpleNamespace(n_requests=12_345, paused_for=7.6), 1000)
    bar_of.update_bar(SimpleNamespace(n_requests=12_345, paused_for=0.4), 1000)

    assert bar.notes[0] == "7 requests, 0 customers/s"
    assert bar.notes[1].startswith("12,345 requests, ") and bar.notes[1].endswith(
        " customers/s, waiting 8 s as the service asked (429)"
    )
    assert bar.notes[2].endswith("waiting 1 s as the service asked (429)")
    assert "waiting" not in bar.notes[0]


uids = st.sampled_from(["a", "b", "c"])
counts = st.integers(0, 20)
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("add_rows"), uids, counts, counts),
        st.tuples(st.just("finish_group"), uids, counts),
        st.tuples(st.just("expect"), st.dictionaries(uids, counts)),
    ),
    max_size=20,
)


@given(happenings=happenings, last=st.lists(counts, min_size=3, max_size=3))
def test_the_bar_never_goes_back_and_ends_full(happenings, last):
    "Whatever is read, expected and read again: done only grows, stays within the total, and reaches it."
    bar_of, bar = shown("a", "b", "c")

    for what, *facts in happenings:
        getattr(bar_of, what)(*facts)
        bar_of.update_bar(QUIET, 0)
    for uid, n in zip("abc", last, strict=True):
        bar_of.finish_group(uid, n)
    bar_of.update_bar(QUIET, 0)

    done = [step for step, _ in bar.news]
    # A total that changes is told before the step that comes with it.
    assert done == sorted(done)
    assert all(total is None or step <= total for step, total in bar.news)
    assert not bar.news or bar.news[-1][0] == bar.news[-1][1]
