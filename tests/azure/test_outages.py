"""A storage account that goes away in the middle of a job, and comes back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from azurite import KEY, Azurite

N = 60


def test_a_job_completes_although_the_account_was_gone_for_a_while(tmp_path: Path):
    data = tmp_path / "data"
    with Azurite("--location", str(data)) as azurite:
        environment = {**os.environ, "AzureWebJobsStorage": azurite.connection_string, "JOBKIT_HUB": "outage"}
        command = [sys.executable, "-m", "jobkit"]
        run = subprocess.Popen(
            [*command, "run", "hello_worlds", "--n", str(N), "--store", "azure", "--json"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            deadline = time.monotonic() + 60
            job_id = json.loads(
                subprocess.run(
                    [*command, "submit", "hello_worlds", "--n", str(N), "--store", "azure", "--json"],
                    cwd=tmp_path,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=60,
                ).stdout
            )["job_id"]
            done = 0
            while done < 10:
                shown = subprocess.run(
                    [*command, "inspect", "job", job_id, "--store", "azure", "--json"],
                    cwd=tmp_path,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=60,
                )
                done = json.loads(shown.stdout)["stages"][0]["completed"]
                assert time.monotonic() < deadline
            azurite.stop()
            azurite.start()
            out, err = run.communicate(timeout=90)
        finally:
            run.kill()

    job = json.loads(out)
    assert (run.returncode, job["job_id"], job["status"]) == (0, job_id, "completed"), err
    assert [stage["completed"] for stage in job["stages"]] == [N, N]
    assert done < 2 * N, "the account went away too late"
    assert KEY not in out + err
