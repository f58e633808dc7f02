"""When DAGs run by the clock."""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable


def at(cron: str) -> CronTriggerTimetable:
    """A schedule in UTC, of which a new installation waits for the next time.

    Left to itself, Airflow makes up at once for a time that passed less than a tenth of the
    interval ago: who installs on a Sunday would first wait for a training that nobody asked for.
    """
    return CronTriggerTimetable(cron, timezone="UTC", run_immediately=timedelta(0))
