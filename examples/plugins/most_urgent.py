"""A policy in Python: the most urgent job first, and none passes one that has to wait."""

PLUGIN_KIND = "sched-policy"


def title():
    return "the most urgent job first"


def select(queue, free):
    started = []
    for job in sorted(queue, key=lambda job: (-job["urgency"], job["id"])):
        if job["cores"] > free:
            break
        free -= job["cores"]
        started.append(job["id"])
    return started
