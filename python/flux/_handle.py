"""``flux.Flux``."""

from typing import Any

from sluice.handle import Sluice


def event_topics(topic: str) -> "tuple[str, ...]":
    """Topics of ours for one of Flux, which stands for all topics that begin with it: by whole words here."""
    if topic in ("", "*"):
        return ("*",)
    return (topic,) if topic.endswith(".*") else (topic, f"{topic}.*")


class Flux(Sluice):
    """A connection to the instance, by the name and with the extra methods that Flux programs use."""

    def get_rank(self) -> int:
        """This rank."""
        return self.rank

    def get_size(self) -> int:
        """How many ranks the instance has."""
        return self.size

    def event_subscribe(self, topic: str) -> None:
        """Subscribes to a topic and to all below it; ``""`` is everything."""
        for each in event_topics(topic):
            super().event_subscribe(each)

    def event_unsubscribe(self, topic: str) -> None:
        """Undoes ``event_subscribe``."""
        for each in event_topics(topic):
            super().event_unsubscribe(each)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"'Flux' object has no attribute '{name}': Sluice does not provide it")
