"""What a description in OpenAPI cannot say of /v1, told to schemathesis: such requests are no valid ones."""
import datetime

import schemathesis

LOCK_ACTIONS = {"unlock", "lock", "unlatch", "lock_n_go", "lock_n_go_unlatch"}
LONGEST_RANGE = datetime.timedelta(days=366)


def moment(text):
    try:
        return datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def is_code(body):
    """Whether a body about a keypad code keeps to what is said of it in words alone."""
    if not isinstance(body, dict):
        return False
    name, limit = body.get("name", "x"), body.get("timeLimit")
    is_name = len(name.encode()) <= 20 and name == name.strip() and name.isprintable()
    if limit is None:
        return is_name and bool(body)
    begin, end = moment(limit.get("allowedFromDate")), moment(limit.get("allowedUntilDate"))
    is_moment = all((key in limit) == (value is not None)
                    for key, value in (("allowedFromDate", begin), ("allowedUntilDate", end)))
    is_range = begin is None or end is None or begin < end
    times = limit.get("allowedFromTime"), limit.get("allowedUntilTime")
    is_time = times == (None, None) or (None not in times and times[0] < times[1])
    is_limit = begin is not None or end is not None or limit.get("allowedWeekDays", 0) > 0 or times != (None, None)
    return is_name and is_moment and is_range and is_time and is_limit


@schemathesis.hook
def filter_case(_context, case):
    query = case.query or {}
    if not case.meta or not case.meta.generation.mode.is_positive:
        return True
    if case.method in ("POST", "PATCH") and "/codes" in case.path:
        return is_code(case.body)
    # Every action stands in the description, a device takes its own: this one is a lock.
    if case.path.endswith("/actions"):
        return isinstance(case.body, dict) and case.body.get("action") in LOCK_ACTIONS
    # Cursors are taken from an answer; none is made up.
    if "cursor" in query:
        return False
    if "from" not in query and "to" not in query:
        return True
    now = datetime.datetime.now(datetime.timezone.utc)
    end = moment(query["to"]) if "to" in query else now
    begin = moment(query["from"]) if "from" in query else None
    is_counted = case.path.endswith("/counts")
    if begin is None:
        # Years that Python does not know are left to the other cases.
        return "from" not in query and end is not None
    if end is None:
        return False
    return begin < end and not (is_counted and end - begin > LONGEST_RANGE)
