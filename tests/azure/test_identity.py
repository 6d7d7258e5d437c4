"""An identity instead of keys: through `DefaultAzureCredential` and Azurite's OAuth mode; and no secret is ever told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from azure_identities import SECRET_HEADER, SIGNATURE, IdentityEndpoint, make_certificate
from azurite import KEY, Azurite, new_account
from jobkit.runtime.settings import read_settings
from jobkit.runtime.storage.azure_account import Account, find_account


def run_twice(folder: Path, settings: dict[str, str]) -> list[subprocess.CompletedProcess[str]]:
    """Run a job, and one that fails at the account's answer, in a folder, with all that the SDKs would log."""
    (folder / "controllers").mkdir()
    (folder / "host.json").write_text("{}")
    (folder / "controllers" / "loud.py").write_text("import logging\nlogging.basicConfig(level=logging.DEBUG)\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AzureWebJobs", "AZURE_"))}
    return [
        subprocess.run(
            [sys.executable, "-m", "jobkit", "--debug", "run", "hello_worlds", "--n", "2", "--store", "azure"],
            cwd=folder,
            env={**kept, **settings, **more},
            capture_output=True,
            text=True,
            timeout=90,
        )
        for more in ({}, {"JOBKIT_HUB": "x" * 99})
    ]


def written(folder: Path, done: list[subprocess.CompletedProcess[str]]) -> str:
    files = [path.read_text(encoding="utf-8", errors="replace") for path in folder.rglob("*") if path.is_file()]
    return "\n".join([*files, *(one.stdout + one.stderr for one in done)])


def test_a_job_runs_with_an_identity_and_no_token_is_told(tmp_path: Path):
    folder = tmp_path / "work"
    folder.mkdir()
    certificate, key = make_certificate(tmp_path)
    options = ["--inMemoryPersistence", "--oauth", "basic", "--cert", str(certificate), "--key", str(key)]
    with IdentityEndpoint() as endpoint, Azurite(*options, scheme="https") as azurite:
        done = run_twice(
            folder,
            {
                "AzureWebJobsStorage__queueServiceUri": f"https://127.0.0.1:{azurite.queue}/devstoreaccount1",
                "AzureWebJobsStorage__tableServiceUri": f"https://127.0.0.1:{azurite.table}/devstoreaccount1",
                "REQUESTS_CA_BUNDLE": str(certificate),
                **endpoint.settings,
            },
        )

    assert [one.returncode for one in done] == [0, 2], done[0].stderr[-2000:]
    assert "4 tasks run" in done[0].stderr
    assert endpoint.asked == [("api-version=2019-08-01&resource=https://storage.azure.com", SECRET_HEADER)]
    assert [secret for secret in (SIGNATURE, SECRET_HEADER) if secret in written(folder, done)] == []


def test_no_key_is_told_by_anything_that_a_run_writes(tmp_path: Path):
    account, hub = new_account()
    settings = {"AzureWebJobsStorage": account.connection_string, "JOBKIT_HUB": hub}

    done = run_twice(tmp_path, settings)

    everything = written(tmp_path, done)
    assert [one.returncode for one in done] == [0, 2]
    assert "DEBUG" in everything, "nothing was logged"
    assert [secret for secret in (KEY, KEY[:20], account.connection_string) if secret in everything] == []


@pytest.mark.parametrize(
    ("settings", "account"),
    [
        (
            {"AzureWebJobsStorage__accountName": "mydata"},
            Account(
                tables_url="https://mydata.table.core.windows.net", queues_url="https://mydata.queue.core.windows.net"
            ),
        ),
        (
            {
                "AzureWebJobsStorage__tableServiceUri": "https://t.example",
                "AzureWebJobsStorage__queueServiceUri": "https://q.example",
                "AzureWebJobsStorage__clientId": "a-client",
            },
            Account(tables_url="https://t.example", queues_url="https://q.example", client_id="a-client"),
        ),
    ],
)
def test_identity_settings_give_clients_with_the_credential_at_these_addresses(
    settings: dict[str, str], account: Account
):
    found = find_account(read_settings(settings))

    tables, queues = found.table_service(), found.queue_service()
    assert found == account
    assert (tables.url, queues.url.rstrip("/")) == (account.tables_url, account.queues_url)
    credentials = {type(client.credential).__name__ for client in (tables, queues)}
    assert credentials == {"DefaultAzureCredential"}
