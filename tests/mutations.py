"""The service's own code, broken on purpose: one rule of the protocol dropped at a time."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

#: Who use a mutated module's class, by name: what has to be replaced for it to be used.
USERS = {
    "service": ("Service", "driver.Service"),
    "job_index": ("JobIndex", "jobkit.runtime.repository.JobIndex"),
    "removal": ("Removal", "jobkit.runtime.removal.Removal", "jobkit.runtime.repository.Removal"),
    "repository": ("Repository", "jobkit.runtime.service.Repository"),
    "settling": ("Settling", "jobkit.runtime.processing.Settling"),
    "poisoned": ("Poisoned", "jobkit.runtime.processing.Poisoned", "jobkit.runtime.poison_acts.Poisoned"),
    "poison_acts": ("PoisonActs", "poison_cases.PoisonActs"),
    "reopening": ("Reopening", "jobkit.runtime.processing.Reopening", "jobkit.runtime.operator.Reopening"),
    "batches": ("Batches", "jobkit.runtime.processing.Batches"),
    "resending": ("send_waiting", "jobkit.runtime.reopening.send_waiting", "jobkit.runtime.repair.send_waiting"),
    "repair": ("Repair", "jobkit.runtime.operator.Repair"),
    "operator": ("Operator", "retried_cases.Operator", "jobkit.runtime.caretaking.Operator"),
    "rows": ("active_row", "jobkit.runtime.rows.active_row"),
    "purging": ("Purging", "operator_scenes.Purging"),
    "turns": ("Gate", "scenes.Gate"),
    "storage.azure_tables": ("AzureTables", "jobkit.runtime.storage.azure_tables.AzureTables"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """Texts of one of the runtime's modules, each found once, and what stands in their place; before it, `first`."""

    module: str
    changes: tuple[tuple[str, str], ...]
    first: Mutation | None = None


def apply(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the tests' driver use the mutated class."""
    if mutation.first is not None:
        apply(mutation.first, monkeypatch)
    original = importlib.import_module(f"jobkit.runtime.{mutation.module}")
    path = Path(str(original.__file__))
    source = path.read_text(encoding="utf-8")
    for before, after in mutation.changes:
        assert source.count(before) == 1, f"{source.count(before)} times in {path.name}: {before}"
        source = source.replace(before, after)
    mutated = ModuleType(original.__name__)
    mutated.__dict__.update(__package__=original.__package__, __file__=original.__file__)
    exec(compile(source, str(path), "exec"), mutated.__dict__)
    name, *users = USERS[mutation.module]
    for user in users:
        monkeypatch.setattr(user, getattr(mutated, name))


def service(*changes: tuple[str, str]) -> Mutation:
    return Mutation(module="service", changes=changes)


UNSEEN_BEFORE_TASKS = (
    "            if not self._is_marked(job):\n                return\n            deleted.clear()\n",
    "            deleted.clear()\n",
)
UNSEEN_BEFORE_JOB = (
    "            if not self._is_marked(job):\n                return\n            try:\n                self._tables",
    "            try:\n                self._tables",
)

MUTATIONS = {
    "check before record": service(
        (
            '        """Write what an attempt came to, if the row is still this delivery\'s."""\n',
            '        """Write what an attempt came to, if the row is still this delivery\'s."""\n'
            "        shard = self.repository.ended_tasks_of_shard(ref)\n"
            "        last = sum(not task.status.ended for task in shard) <= 1\n",
        ),
        (
            "            return self.send_retry(message, queued, delay=delay)\n        return self.after_end(",
            "            return self.send_retry(message, queued, delay=delay)\n        return last and self.after_end(",
        ),
    ),
    "check before mark": service(
        (
            "            self.repository.mark(ref, message.round, level, member, summary)\n"
            "            group = member // GROUP\n"
            "            marked = self.repository.marked(ref, message.round, level, group)\n",
            "            group = member // GROUP\n"
            "            marked = [*self.repository.marked(ref, message.round, level, group), summary]\n"
            "            self.repository.mark(ref, message.round, level, member, summary)\n",
        )
    ),
    "no mark at all": service(("            self.repository.mark(ref, message.round, level, member, summary)\n", "")),
    "close without condition": Mutation(
        module="repository",
        changes=(
            (
                "        at = rows.write_time(now)\n        changes: Properties = {\n"
                '            "state": StageState.CLOSED.value,\n',
                "        at = rows.write_time(now)\n"
                "        fresh = self.get_chain(stage.job_id)\n"
                "        chain = replace(chain, job=replace(chain.job, etag=fresh.job.etag))\n"
                "        stage = replace(stage, etag=fresh.stages[stage.number - fresh.stages[0].number].etag)\n"
                '        changes: Properties = {\n            "state": StageState.CLOSED.value,\n',
            ),
        ),
    ),
    "only the closer sends": service(
        (
            "            if stage.state is StageState.CLOSED:\n                return self.pass_on(chain, stage)\n"
            "            if stage.state is not StageState.SEALED or",
            "            if stage.state is not StageState.SEALED or",
        )
    ),
    "a redelivery leaves what it finds ended": service(
        (
            "                if mine:\n                    return self.after_end(message, ref, task.status)\n",
            "                if mine:\n                    return None\n",
        )
    ),
    "no take-over": service(
        (
            '    return "a newer delivery has claimed the task" if task.owner.delivery > incoming.delivery else ""\n',
            '    return "somebody has claimed the task" if task.owner.delivery != incoming.delivery else ""\n',
        )
    ),
    "an older delivery takes over": service(
        (
            '    return "a newer delivery has claimed the task" if task.owner.delivery > incoming.delivery else ""\n',
            '    return ""\n',
        )
    ),
    "anybody takes over": service(
        (
            "    if task.owner is None or not task.owner.same_message(incoming.owner):\n"
            '        return "another message has claimed the task"\n',
            '    if task.owner is None or not task.owner.same_message(incoming.owner):\n        return ""\n',
        )
    ),
    "send before the seal": service(
        (
            "        try:\n            sealed = self.repository.seal(",
            "        try:\n"
            "            early = replace(taken, state=StageState.SEALED, task_count=task_count)\n"
            "            self._after_seal(replace(Chain(job=job, stages=()), job=job), early)\n"
            "            sealed = self.repository.seal(",
        )
    ),
    "a seal that is not sent again": service(
        (
            "            if stage.state is StageState.SEALED:\n                return self._after_seal(chain, stage)\n",
            "            if stage.state is StageState.SEALED:\n                return None\n",
        )
    ),
    "an empty stage that is not passed on": service(
        (
            "            if stage.state is StageState.CLOSED:\n                return self.pass_on(chain, stage)\n"
            "            refusal = _why_not_plan",
            "            if stage.state is StageState.CLOSED:\n                return None\n"
            "            refusal = _why_not_plan",
        )
    ),
    "a planner's own redelivery is refused": service(
        (
            '    return "a newer delivery plans the stage" if stage.owner.delivery > incoming.delivery else ""\n',
            '    return "somebody plans the stage" if stage.owner.delivery != incoming.delivery else ""\n',
        )
    ),
    "a refused seal is given up": service(
        (
            "            if sealed is not None:\n                return self._after_seal(chain, sealed)\n",
            "            return None if sealed is None else self._after_seal(chain, sealed)\n",
        )
    ),
    "a refused planning is given up": service(
        (
            "            except EntityChanged:\n                continue\n"
            "            self.observe(Event(action=Action.PLANNING",
            "            except EntityChanged:\n                return None\n"
            "            self.observe(Event(action=Action.PLANNING",
        )
    ),
    "a refused claim is given up": service(
        (
            '            except (EntityChanged, EntityNotFound):\n                etag = ""\n',
            "            except (EntityChanged, EntityNotFound):\n                return None\n",
        )
    ),
    "a refused record is given up": service(
        (
            "                task = self.repository.find_task(ref)\n"
            "                if task is None or task.status is not Status.PROCESSING or",
            "                task = None\n                return None\n                if task is None or",
        )
    ),
    "a refused closing is given up": service(
        (
            "            except EntityChanged:\n                continue\n            self.observe(\n                Event(\n"
            "                    action=Action.CLOSED",
            "            except EntityChanged:\n                return None\n            self.observe(\n"
            "                Event(\n                    action=Action.CLOSED",
        )
    ),
    "a record without condition": Mutation(
        module="repository",
        changes=(
            (
                "        return self._merge_task(ref, etag, task_changes.completed(result_json, now))\n",
                "        found = self.find_task(ref)\n"
                "        return self._merge_task(ref, found.etag if found else etag, task_changes.completed(result_json, now))\n",
            ),
        ),
    ),
    "a retry that is not sent again": service(
        (
            "                    return self.send_retry(message, task, delay=None)\n"
            '                return self.drop(message, "the task is queued for another round or attempt")\n',
            "                    return None\n"
            '                return self.drop(message, "the task is queued for another round or attempt")\n',
        )
    ),
    "a retried task that anybody claims": service(
        (
            "            elif task.round != message.round or task.attempt != message.attempt:\n",
            "            elif task.round != message.round:\n",
        ),
    ),
    "a task that is claimed for any round": service(
        (
            "            elif task.round != message.round or task.attempt != message.attempt:\n",
            "            elif task.attempt != message.attempt:\n",
        ),
    ),
    "a submit that does not wake what it finds": service(
        (
            "        self.wake(chain)\n        created = chain.job.epoch == job.epoch\n",
            "        created = chain.job.epoch == job.epoch\n        if created:\n            self.wake(chain)\n",
        )
    ),
    "the index row goes before the hook has run": service(
        (
            "        try:\n            loaded = self.jobs.load(job)\n        except StoreUnavailable:\n            raise\n"
            "        except BaseException as exc:  # noqa: BLE001 - a controller that can't",
            "        self.repository.index.drop(job)\n        try:\n            loaded = self.jobs.load(job)\n"
            "        except StoreUnavailable:\n            raise\n"
            "        except BaseException as exc:  # noqa: BLE001 - a controller that can't",
        ),
        ("status=job.status.value)\n        self.repository.index.drop(job)\n", "status=job.status.value)\n"),
    ),
    "poison fails only what is claimed": Mutation(
        module="poisoned",
        changes=(
            (
                "            if task.status is Status.QUEUED:\n                if task.round",
                "            if task.status is Status.QUEUED:\n                return None\n                if task.round",
            ),
        ),
    ),
    "poison leaves what it finds ended": Mutation(
        module="poisoned",
        changes=(
            (
                "                if mine:\n                    return service.after_end(message, ref, task.status)\n",
                "",
            ),
        ),
    ),
    "a lane ends with its first task": service(
        ("        else:\n            self._send_lane(message)\n        self.lights_out", "        self.lights_out")
    ),
    "a lane ends with a task that another has ended": service(
        (
            '                return self.pass_lane(message, ref, "another message has ended the task")\n',
            '                return self.drop(message, "another message has ended the task")\n',
        )
    ),
    "all of a laned stage is sent at once": service(
        ("stage.policy.first_to_send(stage.task_count))", "stage.task_count)")
    ),
    "a stop that a redelivery does not ask for again": service(
        (
            "                if mine:\n                    return self.after_end(message, ref, task.status)\n",
            "                if mine:\n                    return self.lights_out(message, ref)\n",
        )
    ),
    "a batch leaves what it finds ended": Mutation(
        module="batches",
        changes=(("                    found.ended.append(task)\n", "                    continue\n"),),
    ),
    "a batch does not take over": Mutation(
        module="batches",
        changes=(
            (
                "                (found.held if task.owner == incoming.owner else found.wanted).append(task)\n",
                "                found.held += [task] * (task.owner == incoming.owner)\n",
            ),
        ),
    ),
    "a batch's retry that is not sent again": Mutation(
        module="batches", changes=(("                found.again.append(task)\n", "                continue\n"),)
    ),
    "a batch's refused claim is given up": Mutation(
        module="batches",
        changes=(
            (
                "            except (EntityChanged, EntityNotFound):\n                continue\n            for task",
                "            except (EntityChanged, EntityNotFound):\n                return\n            for task",
            ),
        ),
    ),
    "a batch's refused record is given up": Mutation(
        module="batches",
        changes=(
            (
                "                except (EntityChanged, EntityNotFound):\n                    continue\n                return",
                "                except (EntityChanged, EntityNotFound):\n                    return\n                return",
            ),
        ),
    ),
    "a doubtful insert into the index is a refusal": Mutation(
        module="job_index",
        changes=(
            (
                "        with contextlib.suppress(EntityExists):  # a doubtful write of ours: both keys have our epoch\n",
                "        if True:\n",
            ),
        ),
    ),
    "a doubtful insert of tasks is a refusal": Mutation(
        module="repository",
        changes=(
            (
                "            with contextlib.suppress(EntityExists):  # a doubtful write of ours: a plan id belongs",
                "            if True:  # a plan id belongs",
            ),
        ),
    ),
    "a doubtful insert of a list is a refusal": Mutation(
        module="repository",
        changes=(
            (
                "            with contextlib.suppress(EntityExists):  # a doubtful write of ours: the token or id",
                "            if True:  # the token or id",
            ),
        ),
    ),
    "a purge without a mark": Mutation(
        module="repository",
        changes=(('**({"purging": True} if purges else {})', ""),),
        first=Mutation(module="removal", changes=(('return bool(found.get("purging")) and', "return"),)),
    ),
    "a purge that does not look again before tasks go": Mutation(module="removal", changes=(UNSEEN_BEFORE_TASKS,)),
    "a purge that does not look again before the job goes": Mutation(module="removal", changes=(UNSEEN_BEFORE_JOB,)),
    "a purge with the job row first": Mutation(
        module="removal",
        changes=(
            (
                "        tasks = self._tables.query(",
                "        own = self._tables.query(rows.JOBS, job.job_id, select=())\n"
                "        self._tables.transact(rows.JOBS, _deletions(own))\n"
                "        tasks = self._tables.query(",
            ),
            UNSEEN_BEFORE_TASKS,
        ),
    ),
    "a poisoned batch leaves what it has not claimed": Mutation(
        module="poisoned",
        changes=(("                    open_.append(task)\n", "                    continue\n"),),
    ),
    "a poisoned batch is thrown away": Mutation(
        module="poisoned",
        changes=(("return self._poisoned_batch(incoming) if message.size > 1", "return None if message.size > 1"),),
    ),
    "poison does not send a retry again": Mutation(
        module="poisoned",
        changes=(
            (
                "                        return service.send_retry(message, task, delay=None)\n",
                "                        return None\n",
            ),
        ),
    ),
    "poison fails what another has claimed": Mutation(
        module="poisoned",
        changes=(
            (
                "            if claimed is not None and is_anothers(message, claimed):\n",
                "            if claimed is not None and is_anothers(message, claimed) and task is None:\n",
            ),
        ),
    ),
    "poison gives up whatever it is given": Mutation(
        module="poisoned",
        changes=(("        if not is_innocent(message, claimed) or ", "        if True or "),),
    ),
    "a message has its next turn under a new key": Mutation(
        module="poisoned",
        changes=(
            (
                "        send_poisoned_again(self._service.outbox, queue, message)\n",
                "        self._service.outbox.send(queue, message)\n",
            ),
        ),
    ),
    "a requeue that sends the message as it was": Mutation(
        module="poisoned",
        changes=(
            (
                "            return self._poisoned_task(incoming, again=True)\n",
                '            return self._service.outbox.send("tasks", message)\n',
            ),
        ),
    ),
    "a requeue that does not give the planning back": Mutation(
        module="poisoned",
        changes=(("                    self._repository.release_planning(stage)\n", "                    pass\n"),),
    ),
    "a requeue that leaves what was sealed": Mutation(
        module="poisoned",
        changes=(("                service.outbox.send(JOBS_QUEUE, replace(dispatch, first=first, size=size))\n", ""),),
    ),
    "a requeue that removes first": Mutation(
        module="poison_acts",
        changes=(
            (
                "                message = same.pop()\n",
                "                remove(delivery)\n                message = same.pop()\n",
            ),
        ),
    ),
    "a drop that only removes": Mutation(
        module="poison_acts",
        changes=(
            (
                "            if message.message is not None:\n                with",
                "            if not message:\n                with",
            ),
        ),
    ),
    "a retry without lights out": Mutation(
        module="reopening", changes=(("            self._service.lights_out(to_stage, ref)\n", ""),)
    ),
    "a retry that is sealed before its tasks are reset": Mutation(
        module="reopening", changes=(("            self._reset(stage)\n", ""),)
    ),
    "a poisoned job message is thrown away": Mutation(
        module="poisoned",
        changes=(
            (
                "        return self._poisoned_job_message(incoming)\n\n    def _poisoned_task",
                "        return None\n\n    def _poisoned_task",
            ),
        ),
    ),
    "another's planning is taken over": service(
        ("    if not stage.owner.same_message(incoming.owner):\n", "    if not stage.owner.key:\n")
    ),
    "a planning without the job row": Mutation(
        module="repository",
        changes=(
            (
                "        etag, _ = self._merge_stage_and_job(\n            stage, changes, chain.job, {",
                "        etag, _ = self._merge_one_by_one(\n            stage, changes, chain.job, {",
            ),
            (
                "    def _merge_stage_and_job(\n",
                "    def _merge_one_by_one(\n"
                "        self, stage: StageRecord, stage_changes: Properties, job: JobRecord, job_changes: Properties\n"
                "    ) -> list[str]:\n"
                "        entity = Entity(partition=stage.job_id, row=rows.stage_row(stage.number), properties=stage_changes)\n"
                "        etag = self._tables.update(rows.JOBS, entity, etag=stage.etag)\n"
                "        while True:\n"
                "            with contextlib.suppress(EntityChanged):\n"
                "                self._merge_job(self.find_job(job.job_id) or job, job_changes)\n"
                '                return [etag, ""]\n\n'
                "    def _merge_stage_and_job(\n",
            ),
            ("from .errors import UNREADABLE, ", "from .errors import UNREADABLE, EntityChanged, "),
        ),
    ),
    "a stop ends a sealed job at once": Mutation(
        module="settling",
        changes=(("StageState.PLANNING, StageState.R", "StageState.PLANNING, StageState.SEALED, StageState.R"),),
    ),
    "a stop without lights out": Mutation(
        module="settling", changes=(("        self._service.lights_out(message, ref)\n", ""),)
    ),
    "a flagged stage closes as ever": service(
        ("    if stage.stop:\n        return stage.error or", "    if not stage.name:\n        return stage.error or")
    ),
    "a later attempt ignores the stop flag": service(
        ("task.attempt > 1 and self._fail_stopped(incoming, task)", "not task.attempt")
    ),
    "a retry sends any task of a lane": Mutation(
        module="resending", changes=(("is_queued and is_head and", "is_queued and"),)
    ),
    "a marker without its round": service(
        ("self.repository.mark(ref, message.round, ", "self.repository.mark(ref, 1, "),
        ("self.repository.marked(ref, message.round, ", "self.repository.marked(ref, 1, "),
    ),
    "a close for any round": service((" or stage.round != round_:\n", ":\n")),
    "jobs messages of any round": service(
        (
            "    return job.epoch == message.epoch and job.round == message.round\n",
            "    return job.epoch == message.epoch\n",
        )
    ),
    "messages of an older epoch": service(
        (
            "    return job.epoch == message.epoch and job.round == message.round\n",
            "    return job.round == message.round\n",
        )
    ),
    "parts of a result without a token": service(
        ("        token, now = self.outbox.token(), ", '        token, now = "result", ')
    ),
    "an index row after the job row": service(
        (
            "            self.repository.index.add(job)\n            with contextlib.suppress(EntityExists):  # another submit was first, or this was a doubtful write of ours\n                self.repository.create_job(job, stages)\n",
            "            with contextlib.suppress(EntityExists):\n                self.repository.create_job(job, stages)\n            self.repository.index.add(job)\n",
        )
    ),
    "a retry's index row after its round": Mutation(
        module="reopening",
        changes=(
            ("        index.add(following, recent=False)\n", ""),
            ("        self.ask(job)\n", "        index.add(following, recent=False)\n        self.ask(job)\n"),
        ),
    ),
    "the loser's index row stays": service(
        ("                self.repository.index.unlist(job)\n", "                pass\n")
    ),
    "no pause before a retry": service(
        (
            "        if delay is None and task.not_before is not None:\n            delay = task.not_before - self.clock.now()\n",
            "",
        )
    ),
    "a pause that is as long as a message may wait": service(
        (
            "        if message.not_before is not None and (left := (message.not_before",
            "        if not message.job_id and (left := (message.not_before",
        )
    ),
    "a repair that sends again at its first look": Mutation(
        module="repair",
        changes=(
            (
                "            settled = force or (since is not None and not self._may_move(job, stage, since))\n",
                "            settled = True\n",
            ),
        ),
    ),
    "a repair that does not ask what waits": Mutation(
        module="repair",
        changes=(("        return oldest is not None and oldest <= since\n", "        return False\n"),),
    ),
    "a suspect runs beside others": Mutation(
        module="turns",
        changes=(("            return not self._inside and incoming is", "            return incoming is"),),
    ),
    "others begin beside a suspect": Mutation(
        module="turns",
        changes=(("        return not self._is_alone and not self._suspects\n", "        return True\n"),),
    ),
    "an empty page is the end": Mutation(
        module="storage.azure_tables",
        changes=(("            if token is None:\n", "            if token is None or not page:\n"),),
    ),
    "a purge of what has not ended": Mutation(
        module="purging",
        changes=(
            ("        if not job.status.ended:\n", "        if not job.job_id:\n"),
            ("        if self._repository.index.is_active(job):\n", "        if not job.epoch:\n"),
        ),
    ),
    "a purge of what has not been tidied up after": Mutation(
        module="purging",
        changes=(("        if self._repository.index.is_active(job):\n", "        if not job.epoch:\n"),),
    ),
    "a doubtful claim is nobody's": service(
        (
            "                if task.owner == incoming.owner:  # a doubtful claim that had succeeded\n",
            '                if task.owner == incoming.owner:\n                    return self.drop(message, "")\n                if not task.owner:\n',
        )
    ),
    "a batch that another has a row of is left": Mutation(
        module="batches",
        changes=(
            (
                "                if not mine or task.owner is None:\n                    continue\n",
                "                if not mine or task.owner is None:\n                    return _Rows()\n",
            ),
        ),
    ),
    "a batch claims what it has queued again": Mutation(
        module="batches",
        changes=((" and task.attempt == message.attempt:\n                f", ":\n                f"),),
    ),
    "a silent planner keeps its stage": Mutation(
        module="repair", changes=(("            self._repository.release_planning(stage)\n", "            pass\n"),)
    ),
    "a stop that finds the job ended does not wind it up": Mutation(
        module="settling",
        changes=(("                return service.wind_up(job)  # perhaps", "                return None  # perhaps"),),
    ),
    "a cancel waits for a stage that is being reopened": Mutation(
        module="settling", changes=(("StageState.PLANNING, StageState.REOPENING)", "StageState.PLANNING)"),)
    ),
    "a retry that is not asked for again": Mutation(
        module="operator", changes=(("                reopening.ask(chain.job)\n", ""),)
    ),
    "the active row's key without the round": Mutation(
        module="rows",
        changes=(
            (
                '    return f"{ACTIVE}{job.job_id}-{job.epoch}-{job.round:04}"\n',
                '    return f"{ACTIVE}{job.job_id}-{job.epoch}-0001"\n',
            ),
        ),
    ),
    "a repair that takes what runs for dead": Mutation(
        module="repair",
        changes=(("    if not silence_s:\n        return force\n", "    if not silence_s:\n        return True\n"),),
    ),
    "a repair that goes on with its old look": Mutation(
        module="operator", changes=(("            self._service.repository.index.begin_looks(look.chain.job)\n", ""),)
    ),
}
