"""``flux.Flux``."""

from typing import Any

from sluice.handle import Sluice


def event_topics(topic: str) -> "tuple[str, ...]":
    """Topics of Sluice for one of Flux, which stands for all topics that begin with it; here, by whole words."""
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
        """Subscribes to a topic and to all below it; to every topic with ``""``.

        :raises OSError: ``EINVAL`` for an invalid topic
        """
        for each in event_topics(topic):
            super().event_subscribe(each)

    def event_unsubscribe(self, topic: str) -> None:
        """Undoes one ``event_subscribe``.

        :raises OSError: ``ENOENT`` if the topic is not subscribed
        """
        for each in event_topics(topic):
            super().event_unsubscribe(each)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"'Flux' object has no attribute '{name}': Sluice does not provide it")
