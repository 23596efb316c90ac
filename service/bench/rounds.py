"""Rounds in which every policy has its turn, so that what else the machine does falls on all of them."""

from collections.abc import Iterator, Sequence


def turns(policies: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Yield round and policy; another policy is first in each round."""
    for number in range(rounds):
        first = number % len(policies)
        for policy in [*policies[first:], *policies[:first]]:
            yield number, policy
