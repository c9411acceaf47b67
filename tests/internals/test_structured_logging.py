"""The log: a sentence for people, facts for machines, and nothing that is not ours to tell."""

import io
import json
import logging
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import frgroups as fg
from frgroups.cli.main import main
from frgroups.internals.structured_logging import error_info, log_event, logged_to_stderr

log = logging.getLogger("frgroups.test")


@pytest.fixture(autouse=True)
def _as_before():
    """The logger is as it was, whatever a test did to it."""
    root = logging.getLogger("frgroups")
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_a_sentence_and_its_facts():
    "A line has time, level, logger, event and message, and after them the facts as JSON has them."
    stream = io.StringIO()
    fg.log_json(stream)

    log_event(
        log, logging.WARNING, "page_retried", "100% busy; again in 2 s", operation="get", wait_seconds=2.0, left=None
    )

    (line,) = lines(stream)
    moment = datetime.fromisoformat(line.pop("time"))
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert line == {
        "level": "WARNING",
        "logger": "frgroups.test",
        "event": "page_retried",
        "message": "100% busy; again in 2 s",
        "operation": "get",
        "wait_seconds": 2.0,
        "left": None,
    }


def test_the_facts_are_attributes_of_the_record(caplog):
    "A handler of one's own finds event and facts on the record."
    caplog.set_level(logging.INFO, "frgroups")

    log_event(log, logging.INFO, "list_read", "3 ids", n_ids=3)

    (record,) = caplog.records
    assert (record.event, record.n_ids, record.getMessage(), record.funcName) == (
        "list_read",
        3,
        "3 ids",
        "test_the_facts_are_attributes_of_the_record",
    )


def test_any_fact_can_be_told():
    "What a record has a field for gets another name, and what JSON has no word for becomes text or null."
    stream = io.StringIO()
    fg.log_json(stream)
    facts = {
        "name": "sport_no",
        "module": "x",
        "message": "not the sentence",
        "time": 3,
        "path": Path("a/b"),
        "taken_at": datetime(2026, 11, 23, 8, 10, tzinfo=UTC),
        "age": timedelta(minutes=1),
        "share": float("nan"),
        "n": np.int64(7),
        "several": ("a", {"b"}),
        "counts": {1: Path("c")},
    }

    log_event(log, logging.INFO, "odd", "the sentence", **facts)

    (line,) = lines(stream)
    assert line["message"] == "the sentence" and line["time"].startswith("20")
    assert {name: line[f"{name}_"] for name in ("name", "module", "message", "time")} == {
        "name": "sport_no",
        "module": "x",
        "message": "not the sentence",
        "time": 3,
    }
    rest = {name: line[name] for name in ("path", "taken_at", "age", "share", "n", "several", "counts")}
    assert rest == {
        "path": "a/b",
        "taken_at": "2026-11-23T08:10:00+00:00",
        "age": 60.0,
        "share": None,
        "n": 7,
        "several": ["a", ["b"]],
        "counts": {"1": "c"},
    }


def test_log_json_twice_is_one_handler():
    "Asked again, the handler moves; no line is written twice, and the old stream gets no more."
    first, second = io.StringIO(), io.StringIO()

    handler = fg.log_json(first)
    assert fg.log_json(second, level="DEBUG") is handler
    log_event(log, logging.DEBUG, "once", "once")

    assert (first.getvalue(), len(lines(second))) == ("", 1)
    logging.getLogger("frgroups").removeHandler(handler)


def test_log_json_never_hides_what_was_seen_before():
    "A logger that was set to DEBUG stays so, and only our handler is of a higher level."
    root, stream = logging.getLogger("frgroups"), io.StringIO()
    root.setLevel(logging.DEBUG)

    fg.log_json(stream, level="WARNING")
    log_event(log, logging.INFO, "quiet", "quiet")

    assert (root.level, stream.getvalue()) == (logging.DEBUG, "")


@pytest.mark.parametrize("level", ["LOUD", True, None])
def test_a_level_that_logging_does_not_know_is_refused(level):
    "The error names the levels that there are."
    with pytest.raises(fg.errors.InputError, match="DEBUG, INFO, WARNING or ERROR"):
        fg.log_json(level=level)


def test_facts_of_ones_own_are_on_every_line():
    "A line of one of many jobs says which; the event's own fact of that name wins."
    stream = io.StringIO()
    fg.log_json(stream, tenant="sport_no", job="nightly")

    log_event(log, logging.INFO, "a", "a")
    log_event(log, logging.INFO, "b", "b", job="other")

    assert [(one["tenant"], one["job"]) for one in lines(stream)] == [("sport_no", "nightly"), ("sport_no", "other")]


def test_an_exception_is_told_without_its_values():
    "Of an error that is not ours the log has type and place: no message, no locals, no token."
    stream = io.StringIO()
    fg.log_json(stream)
    token = "eyJ-secret-token"
    try:
        int(f"kari@example.org {token}")
    except ValueError:
        log.exception("It failed")
    try:
        raise fg.FrgroupsError("Nothing was kept.")
    except fg.FrgroupsError:
        log.exception("It failed again")

    stranger, ours = lines(stream)
    assert stranger["error"]["type"] == "ValueError" and "test_structured_logging.py" in stranger["error"]["message"]
    assert ours["error"] == {"type": "FrgroupsError", "message": "Nothing was kept."}
    assert "kari" not in stream.getvalue() and token not in stream.getvalue()


def test_a_full_disk_is_named_and_a_stranger_is_not_quoted():
    "An OSError keeps its reason and file; a KeyError, whose message is a value, does not."
    assert error_info(OSError(28, "No space left on device", "/x"))["message"] == "/x: No space left on device"
    assert error_info(KeyError("kari@example.org")) == {"type": "KeyError", "message": "Unexpected KeyError."}


def test_text_event_is_one_line(capsys):
    "A message with line breaks is written as one line, with the field values before it."
    with logged_to_stderr("text", "INFO", tenant="sport_no"):
        log_event(log, logging.INFO, "odd", "two\nlines")

    assert capsys.readouterr().err == "INFO [sport_no] test: two lines\n"


def test_lines_of_many_threads_do_not_mix():
    "Each line is whole JSON when threads log at once."
    stream = io.StringIO()
    fg.log_json(stream)

    def work(number):
        for at in range(50):
            log_event(log, logging.INFO, "work", "x" * 200, number=number, at=at)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({(line["number"], line["at"]) for line in lines(stream)}) == 400


def test_importing_sets_nothing_up():
    "After the import there is no handler and no level, so that Python shows warnings; the root has nothing too."
    code = (
        "import frgroups, logging; root = logging.getLogger('frgroups')\n"
        "print([type(one).__name__ for one in root.handlers], root.level, logging.getLogger().handlers)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (done.stdout.strip(), done.stderr) == ("[] 0 []", "")


def test_the_command_logs_before_and_after_its_name(capsys, tmp_path):
    "--log json and -v mean the same on both sides of the command, go to stderr, and end with it."
    path = tmp_path / "list.csv"
    path.write_text("customer_uid\nc-1\n", encoding="utf-8")
    fg.save_snapshot(fg.sample_snapshot())
    words = ["plan", "--group", "vip", "--list", str(path)]
    before = list(logging.getLogger("frgroups").handlers)

    assert main(["--log", "json", *words]) == 0
    told = capsys.readouterr()
    assert main([*words, "--log=json"]) == 0
    again = capsys.readouterr()
    assert main([*words, "-v"]) == 0
    text = capsys.readouterr()
    assert main(words) == 0

    assert [json.loads(line)["event"] for line in told.err.splitlines()] == ["list_read"]
    assert [json.loads(line)["n_ids"] for line in again.err.splitlines()] == [1]
    assert text.err.startswith("INFO snapshot: ") and "{" not in text.err
    assert capsys.readouterr().err == ""
    assert logging.getLogger("frgroups").handlers == before
