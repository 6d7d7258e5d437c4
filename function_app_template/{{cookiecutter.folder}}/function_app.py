"""The Function App: jobkit's functions, and yours beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "vendor"))  # the runtime that `jobkit deploy` wrote

import azure.functions as func

from jobkit.runtime.functions import blueprint

jobs = blueprint(controllers=["controllers"])

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(jobs)

# A function of your own can submit a job in two lines:
#
#   @app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
#   def nightly(timer: func.TimerRequest) -> None:
#       jobs.submit("greetings", {"n": 5}, again=True)
