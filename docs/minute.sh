# From nothing to a running job. CI runs it in an empty folder; `make screens` records it as docs/images/minute.svg.
jobkit new-app my-etl
cd my-etl
jobkit controllers
jobkit run greetings --n 3
