"""`jobkit doctor`: check machine, app, settings, storage and jobs, with a fix for each finding."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from jobkit.doctor.examination import Mended, examine, examine_jobs, mend, worst
from jobkit.doctor.jobs import job_repair
from jobkit.doctor.subject import Subject
from jobkit.runtime.checks.examination import count_states, doctor_document
from jobkit.runtime.checks.finding import Finding, State
from jobkit.runtime.checks.host_file import message_encoding
from jobkit.runtime.checks.storage import Access, Opened
from jobkit.runtime.errors import InvalidSetting, NotFound
from jobkit.runtime.loader import Loaded, Project, find_project
from jobkit.runtime.registry import Registry
from jobkit.views.doctor import FindingRow, doctor_view

from .asking import who
from .output import print_json, say, show
from .session import open_session
from .stores import store_option, store_path

if TYPE_CHECKING:
    from jobkit.runtime.storage.azure_account import Account


def main(app: Path | None, *, job_ids: list[str], fix: bool, dry_run: bool, json: bool, store: str) -> None:
    """Run `jobkit doctor`; exit code 1 when something does not work, 5 when that is the store alone."""
    subject = _subject(app)
    access = _access(subject, store)
    findings = _look(subject, access, job_ids, write=not dry_run)
    mended: list[Mended] = []
    if fix and not dry_run:
        mended = mend(findings)
        if any(one.done is not None for one in mended):
            subject = _subject(app)  # what it knew is no longer so
            access = _access(subject, store)
            findings = _look(subject, access, job_ids, write=True)
    if json:
        print_json(_document(subject, access, findings, mended))
    else:
        rows = [_row(finding) for finding in findings]
        show(doctor_view(rows, _verdict(findings, subject, fix=fix and not dry_run)))
        for one in mended:
            name = f"{one.finding.group}, {one.finding.name}"
            say(
                f"not mended: {name}: {subject.without_secrets(one.error)}"
                if one.done is None
                else f"{name}: {one.done}"
            )
    raise typer.Exit(worst(findings))


def _look(subject: Subject, access: Access, job_ids: list[str], *, write: bool) -> list[Finding]:
    if job_ids:
        return examine_jobs(subject, access, job_ids, write=write)
    return examine(subject, access, write=write)


def _subject(app: Path | None) -> Subject:
    folder = Path.cwd() if app is None else app
    if not folder.is_dir():
        raise NotFound(f"{folder} is no folder. Name the app's: jobkit doctor APP")
    try:
        return Subject(folder, project=_project(folder, given=app is not None), environment=os.environ)
    except InvalidSetting as exc:  # of pyproject.toml: a finding like any other
        return Subject(folder, project=None, environment=os.environ, trouble=str(exc))


def _project(folder: Path, *, given: bool) -> Project | None:
    """Find the project: the one that the current folder belongs to, or the folder that was named and none above it."""
    found = find_project(folder.absolute())
    return found if found is None or not given or found.root == folder.absolute() else None


def _access(subject: Subject, store: str) -> Access:
    """Say how to come to the store that `--store` names. Raises InvalidSetting for one that there is not."""
    project = subject.project or Project(root=subject.folder)
    path = store_path(store, project)

    @contextlib.contextmanager
    def opened() -> Generator[Opened]:
        nothing = Loaded(registry=Registry(), problems=())
        with open_session(store, project=project, loaded=nothing) as session:
            yield Opened(ports=session.store.store, service=session.service(lambda _: None), living=session.living)

    def account() -> Account:
        from jobkit.runtime.storage.azure_account import find_account

        return find_account(subject.known_settings)

    return Access(
        name="the azure store" if path is None else str(path),
        hub=subject.hub or "",
        open=opened,
        path=path,
        account=account if path is None else None,
        encoding=message_encoding(subject.host, subject.known_settings) if subject.is_app else "base64",
        option=store_option(store),
        repair=job_repair(opened, by=who()),
    )


def _row(finding: Finding) -> FindingRow:
    return FindingRow(
        group=finding.group.value,
        name=finding.name,
        state=finding.state.value,
        evidence=finding.evidence,
        fix=finding.fix,
        can_mend=finding.mend is not None,
    )


def _verdict(findings: list[Finding], subject: Subject, *, fix: bool) -> str:
    counts = count_states(findings)
    told = [
        f"{counts[state]} {name if counts[state] == 1 else names}"
        for state, name, names in (
            (State.ERROR, "error", "errors"),
            (State.WARNING, "warning", "warnings"),
            (State.NOT_CHECKED, "not checked", "not checked"),
            (State.OK, "ok", "ok"),
        )
        if counts[state]
    ]
    can_mend = 0 if fix else sum(finding.mend is not None for finding in findings)
    more = f"; --fix mends {can_mend} of them" if can_mend else ""
    return f"{subject.folder}: {', '.join(told)}{more}"


def _document(subject: Subject, access: Access, findings: list[Finding], mended: list[Mended]) -> dict[str, Any]:
    return doctor_document(
        findings,
        folder=subject.folder,
        store=access.name,
        mended=[
            {
                "group": one.finding.group.value,
                "name": one.finding.name,
                "done": one.done,
                "error": subject.without_secrets(one.error) or None,
            }
            for one in mended
        ],
    )
