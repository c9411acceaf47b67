"""Read the decisions about many plans, so that each file is read only once."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from frgroups.errors import FrgroupsError
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.review.approval_files import DecisionFile, decision_files
from frgroups.review.decision_record import DecisionRecord, read_record, record_path
from frgroups.review.plan_files import digest_in_file, plan_files
from frgroups.review.saved_plans import saved_plan_files


class DecisionReader:
    """
    Read approval files and decision records. Each folder and each record is read only once.

    Create a new object for each command or function call, because an object does not read later changes to the files.
    """

    def __init__(self) -> None:
        self._files: dict[Path, list[DecisionFile]] = {}
        self._records: dict[Path, DecisionRecord] = {}
        self._folders: dict[Path, list[Path]] = {}
        self._plan_files: dict[Path, dict[str, Path]] = {}

    def files(self, folder: Path) -> list[DecisionFile]:
        """Return the files in a folder that might be approval files."""
        if folder not in self._files:
            self._files[folder] = decision_files(folder)
        return self._files[folder]

    def folders_of_saved_plans(self, plan: Plan) -> list[Path]:
        """
        Return the readable folders outside the data folder that contain plans of the same tenant.

        A reviewer might have saved a rejection file in any of these folders. An unreadable folder is skipped, because
        it might belong to another user. If it raised an error, it would block all plans of the tenant.
        """
        path = record_path(plan.tenant_uid, plan.base_url)
        if path not in self._folders:
            folders = {file.parent for file in saved_plan_files(plan.tenant_uid, plan.base_url)}
            self._folders[path] = sorted(folder for folder in folders if os.access(folder, os.R_OK | os.X_OK))
        return self._folders[path]

    def stored_plan(self, plan: Plan, digest: str) -> Plan | None:
        """Return the saved plan of the same tenant that has the given digest, or None if no such file can be read."""
        path = record_path(plan.tenant_uid, plan.base_url)
        if path not in self._plan_files:
            tenant = plan.tenant_uid, plan.base_url
            files = (*plan_files(*tenant), *saved_plan_files(*tenant))
            self._plan_files[path] = {digest_in_file(file): file for file in files}
        with suppress(FrgroupsError):
            file = self._plan_files[path].get(digest)
            return None if file is None else read_plan(file)
        return None

    def record(self, plan: Plan) -> DecisionRecord:
        """Return the decision record of a plan's tenant, or raise CorruptFileError if the record is damaged."""
        path = record_path(plan.tenant_uid, plan.base_url)
        if path not in self._records:
            self._records[path] = read_record(plan)
        return self._records[path]

    def forget_record(self, plan: Plan) -> None:
        """Discard the stored record of a plan's tenant, so that the changed record is read on the next access."""
        self._records.pop(record_path(plan.tenant_uid, plan.base_url), None)
