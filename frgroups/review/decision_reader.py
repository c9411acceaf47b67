"""Read the decisions about many plans, so that each file is read only once."""

from __future__ import annotations

from pathlib import Path

from frgroups.plan.plan import Plan
from frgroups.review.approval_files import DecisionFile, decision_files
from frgroups.review.decision_record import DecisionRecord, read_record, record_path


class DecisionReader:
    """
    Approval files and decision records. Each folder and each record is read only once.

    Create a new object for each command or function call, because the object does not notice later changes of the
    files.
    """

    def __init__(self) -> None:
        self._files: dict[Path, list[DecisionFile]] = {}
        self._records: dict[Path, DecisionRecord] = {}

    def files(self, folder: Path) -> list[DecisionFile]:
        """Return the files in a folder that might be approval files."""
        if folder not in self._files:
            self._files[folder] = decision_files(folder)
        return self._files[folder]

    def record(self, plan: Plan) -> DecisionRecord:
        """Return the decision record of a plan's tenant. A damaged record raises CorruptFileError."""
        path = record_path(plan.tenant_uid, plan.base_url)
        if path not in self._records:
            self._records[path] = read_record(plan)
        return self._records[path]

    def forget_record(self, plan: Plan) -> None:
        """Read the record of a plan's tenant again on the next access, because it was changed."""
        self._records.pop(record_path(plan.tenant_uid, plan.base_url), None)
