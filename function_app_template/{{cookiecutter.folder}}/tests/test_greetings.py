"""The whole job, in memory: through the same queues and tables as in Azure."""

from controllers.greetings import Greetings

from jobkit.testing import run_job


def test_every_greeting_is_replied_to():
    job = run_job(Greetings, n=3)

    assert [(stage.name, stage.summary.completed) for stage in job.stages] == [("Greet", 3), ("Reply", 3)]
