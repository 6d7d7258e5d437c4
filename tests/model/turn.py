"""One step's access to the world: exactly one port call, whose answer a fault may change."""

from __future__ import annotations

from .rows import JOB, Entry, Queued, Worker, stage_key, task_key

MISSING = Entry(None, 0)
DELETE = "delete the message"
LEAVE = "leave the message"


def then(step, *args):
    """Say what the handler's next port call is."""
    return Worker(None, step, args)


class Turn:
    """What a step sees. A step makes one port call, decides on its answer, and returns `then(…)`, DELETE or LEAVE.

    `fault` is "", "doubtful" (a conditional write is applied and reported as refused) or "twice" (a message is sent
    twice); `choice` picks one of the outcomes that the user's code may have.
    """

    def __init__(self, case, rows, delivery, messages, fault="", choice=0):
        self.case = case
        self.rows = rows
        self.delivery = delivery
        self.messages = messages
        self.options = 1
        self.writes = ()
        self.sent = None
        self.applied = False
        self._fault = fault
        self._choice = choice
        self._tell = None
        self._outcome = ""

    @property
    def call(self):
        """The port call in words; few are ever read."""
        return "" if self._tell is None else self._tell() + self._outcome

    @property
    def body(self):
        return self.delivery.body

    def without(self, rule):
        """Whether this run explores what happens without a rule."""
        return rule in self.case.without

    def choose(self, options):
        """Let the explorer try each; no port call."""
        self.options = len(options)
        return options[self._choice]

    # reads

    def read(self, key):
        self.begin(lambda: f"read {_name(key)}")
        return self.rows.get(key, MISSING)

    def chain(self, number=None):
        """Read the job row and a stage row, of the job's current stage unless told; one query of one partition."""
        self.begin(lambda: "read job and stage")
        job = self.rows.get(JOB, MISSING)
        if number is None:
            number = job.row.stage if job.row else 0
        return job, self.rows.get(stage_key(number), MISSING)

    def all_stages(self):
        self.begin(lambda: "read job and stages")
        found = sorted((key[1], entry) for key, entry in self.rows.items() if key[0] == "stage" and entry.row)
        return self.rows.get(JOB, MISSING), found

    def tasks(self, scope, indexes):
        self.begin(lambda: f"read tasks {list(indexes)}")
        return tuple((index, self.rows.get(task_key(scope, index), MISSING)) for index in indexes)

    def markers(self, prefix):
        self.begin(lambda: "read markers")
        return [entry.row for key, entry in self.rows.items() if key[: len(prefix)] == prefix and entry.row is not None]

    def all_of(self, *kinds):
        self.begin(lambda: f"read all of {', '.join(kinds)}")
        found = [(key, entry) for key, entry in self.rows.items() if key[0] in kinds and entry.row is not None]
        return tuple(sorted(found, key=repr))

    # writes

    def insert(self, key, row):
        return ("insert", key, None, row)

    def update(self, key, entry, row):
        return ("update", key, entry, row)

    def put(self, key, row):
        return ("put", key, None, row)

    def write(self, *operations):
        """Apply all or nothing; False when refused, or when that is what a doubtful write looks like."""
        self.begin(lambda: ", ".join(f"{verb} {_name(key)} := {_brief(row)}" for verb, key, _, row in operations))
        after = dict(self.rows)
        conditional = False
        for verb, key, expected, row in operations:
            old = after.get(key, MISSING)
            conditional |= verb in ("insert", "update")
            if (verb == "insert" and old.row is not None) or (verb == "update" and not self._same(old, expected)):
                self._outcome = " refused"
                return False
            after[key] = Entry(row, self._next_tag(old, row))
        self.writes = tuple(
            (key, self.rows.get(key, MISSING).row, row, verb == "update") for verb, key, _, row in operations
        )
        self.rows = after
        self.applied = conditional
        if self._fault == "doubtful":
            self._outcome = " DOUBTFUL: applied, reported as refused"
            return False
        return True

    def _same(self, old, expected):
        return old.tag == expected.tag if self.case.numbered else old == expected

    def _next_tag(self, old, row):
        if row is None and self.without("etag_restarts"):
            return 0
        return old.tag + 1 if row is None or self.case.numbered else old.tag

    def send(self, queue, body, tag):
        """Put a message into a queue, under a key of its own for each send."""
        self.begin(lambda: f"send {_brief(body)}")
        self.sent = (queue, body)
        key = f"{self.delivery.key}.{self.delivery.number}{tag}"
        taken = {message.id for message in self.messages}
        while key in taken:
            key += "'"
        added = [Queued(key, queue, key, body, 0, False)]
        if self._fault == "twice":
            self._outcome = " TWICE"
            twin = key + "+"
            added.append(Queued(twin, queue, key if self.without("sdk_same_key") else twin, body, 0, False))
        self.messages += tuple(added)

    def send_again(self, spent):
        """Send the own message again as itself: its key stays, and it begins another turn."""
        body = self.body._replace(turn=self.body.turn + 1, spent=self.body.spent + spent)
        queue = self.delivery.queue.removesuffix(" poison")
        self.begin(lambda: f"send {_brief(body)} again")
        self.sent = (queue, body)
        name = f"{self.delivery.key}~{body.turn}"
        taken = {message.id for message in self.messages}
        while name in taken:
            name += "'"
        self.messages += (Queued(name, queue, self.delivery.key, body, 0, False),)
        if self._fault == "twice":
            self._outcome = " TWICE"
            self.messages += (Queued(name + "+", queue, self.delivery.key, body, 0, False),)

    def begin(self, tell):
        """Note that this is the step's port call, which `tell` says in words."""
        if self._tell is not None:
            raise AssertionError(f"a step made a second port call: {tell()} after {self.call}")
        self._tell = tell


def _name(key):
    return "-".join(str(part) for part in key)


def _brief(row):
    if not hasattr(row, "_asdict"):
        return str(row)
    return "(" + " ".join(f"{k}={v}" for k, v in row._asdict().items() if v not in (None, 0, False)) + ")"
