"""Tests for the structured log and its formats."""

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
def _restored_logger():
    """Restore the handlers and the level of the logger after each test."""
    root = logging.getLogger("frgroups")
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream):
    """Return the decoded JSON lines of a stream."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_line():
    "A JSON log line contains the time, level, logger, event, and message, followed by the fields of the event."
    stream = io.StringIO()
    fg.log_json(stream)

    log_event(
        log, logging.WARNING, "page_retried", "100% busy. Wait 2 s.", operation="get", wait_seconds=2.0, left=None
    )

    (line,) = lines(stream)
    time = datetime.fromisoformat(line.pop("time"))
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)
    assert line == {
        "level": "WARNING",
        "logger": "frgroups.test",
        "event": "page_retried",
        "message": "100% busy. Wait 2 s.",
        "operation": "get",
        "wait_seconds": 2.0,
        "left": None,
    }


def test_record_attributes(caplog):
    "The event and its fields are attributes of the log record."
    caplog.set_level(logging.INFO, "frgroups")

    log_event(log, logging.INFO, "list_read", "3 ids", n_ids=3)

    (record,) = caplog.records
    assert (record.event, record.n_ids, record.getMessage(), record.funcName) == (
        "list_read",
        3,
        "3 ids",
        "test_record_attributes",
    )


def test_fields():
    """If an event field has the name of a record attribute, "_" is appended. All values are converted to JSON."""
    stream = io.StringIO()
    fg.log_json(stream)
    facts = {
        "name": "sport_no",
        "module": "x",
        "message": "field",
        "time": 3,
        "path": Path("a/b"),
        "taken_at": datetime(2026, 11, 23, 8, 10, tzinfo=UTC),
        "age": timedelta(minutes=1),
        "share": float("nan"),
        "n": np.int64(7),
        "several": ("a", {"b"}),
        "counts": {1: Path("c")},
    }

    log_event(log, logging.INFO, "test", "Message.", **facts)

    (line,) = lines(stream)
    assert line["message"] == "Message." and line["time"].startswith("20")
    assert {name: line[f"{name}_"] for name in ("name", "module", "message", "time")} == {
        "name": "sport_no",
        "module": "x",
        "message": "field",
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


def test_second_call_of_log_json():
    "A second call of log_json moves the handler to the new stream, so that no line is written twice."
    first, second = io.StringIO(), io.StringIO()

    handler = fg.log_json(first)
    assert fg.log_json(second, level="DEBUG") is handler
    log_event(log, logging.DEBUG, "once", "once")

    assert (first.getvalue(), len(lines(second))) == ("", 1)
    logging.getLogger("frgroups").removeHandler(handler)


def test_log_json_does_not_raise_the_logger_level():
    "If the logger already has a lower level, log_json sets only the level of the handler."
    root, stream = logging.getLogger("frgroups"), io.StringIO()
    root.setLevel(logging.DEBUG)

    fg.log_json(stream, level="WARNING")
    log_event(log, logging.INFO, "quiet", "quiet")

    assert (root.level, stream.getvalue()) == (logging.DEBUG, "")


@pytest.mark.parametrize("level", ["LOUD", True, None])
def test_invalid_level(level):
    "If the level is invalid, an InputError with the valid levels is raised."
    with pytest.raises(fg.errors.InputError, match=r"`level` .*DEBUG"):
        fg.log_json(level=level)


def test_additional_fields():
    "Additional fields are written to every line. An event field with the same name takes precedence."
    stream = io.StringIO()
    fg.log_json(stream, tenant="sport_no", job="nightly")

    log_event(log, logging.INFO, "a", "a")
    log_event(log, logging.INFO, "b", "b", job="other")

    assert [(line["tenant"], line["job"]) for line in lines(stream)] == [
        ("sport_no", "nightly"),
        ("sport_no", "other"),
    ]


def test_exceptions():
    "The log contains the messages of frgroups exceptions, but only the type and location of other exceptions."
    stream = io.StringIO()
    fg.log_json(stream)
    token = "eyJ-secret-token"
    try:
        int(f"kari@example.org {token}")
    except ValueError:
        log.exception("First failure.")
    try:
        raise fg.FrgroupsError("Nothing was stored.")
    except fg.FrgroupsError:
        log.exception("Second failure.")

    first, second = lines(stream)
    assert first["error"]["type"] == "ValueError" and "test_structured_logging.py" in first["error"]["message"]
    assert second["error"] == {"type": "FrgroupsError", "message": "Nothing was stored."}
    assert "kari" not in stream.getvalue() and token not in stream.getvalue()


def test_error_info():
    "The logged message of an OSError contains its file and reason. That of a KeyError does not contain the key."
    assert error_info(OSError(28, "No space left on device", "/x"))["message"] == "/x: No space left on device"
    info = error_info(KeyError("kari@example.org"))
    assert info["type"] == "KeyError" and "kari" not in info["message"]


def test_text_line(capsys):
    "The text format writes each message on one line, after the values of the additional fields."
    with logged_to_stderr("text", "INFO", tenant="sport_no"):
        log_event(log, logging.INFO, "test", "two\nlines")

    assert capsys.readouterr().err == "INFO [sport_no] test: two lines\n"


def test_lines_of_several_threads():
    "If several threads log at the same time, each log line is still valid JSON."
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


def test_import_configures_nothing():
    "Importing frgroups adds no handler and sets no level, so that Python prints warnings."
    code = (
        "import frgroups, logging; log = logging.getLogger('frgroups')\n"
        "print(log.handlers, log.level, logging.getLogger().handlers)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (process.stdout.strip(), process.stderr) == ("[] 0 []", "")


def test_log_options_of_a_command(capsys, tmp_path):
    "--log and -v have the same effect before and after the name of the command, and write to stderr."
    path = tmp_path / "list.csv"
    path.write_text("customer_uid\nc-1\n", encoding="utf-8")
    fg.save_snapshot(fg.sample_snapshot())
    words = ["plan", "--group", "vip", "--list", str(path)]
    before = list(logging.getLogger("frgroups").handlers)

    assert main(["--log", "json", *words]) == 0
    before_name = capsys.readouterr()
    assert main([*words, "--log=json"]) == 0
    after_name = capsys.readouterr()
    assert main([*words, "-v"]) == 0
    text = capsys.readouterr()
    assert main(words) == 0

    assert [json.loads(line)["event"] for line in before_name.err.splitlines()] == ["list_read"]
    assert [json.loads(line)["n_ids"] for line in after_name.err.splitlines()] == [1]
    assert text.err.startswith("INFO snapshot: ") and "{" not in text.err
    assert capsys.readouterr().err == ""
    assert logging.getLogger("frgroups").handlers == before
