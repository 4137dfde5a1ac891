"""Random choices that can be replayed and shrunk.

Everything that is generated is a function of a list of small numbers. 0 is always the simplest choice, so
dropping numbers and making them smaller makes what is generated simpler (as in MacIver and Donaldson,
"Test-Case Reduction via Test-Case Generation", ECOOP 2020).
"""
import random


class Choices:
    def __init__(self, seed=None, recorded=None):
        self.random = random.Random(seed) if recorded is None else None
        self.recorded = list(recorded or [])
        self.taken = []

    def below(self, n: int) -> int:
        """A number from 0 to n - 1."""
        if self.random:
            value = self.random.randrange(n)
        else:
            at = len(self.taken)
            value = min(self.recorded[at], n - 1) if at < len(self.recorded) else 0
        self.taken.append(value)
        return value

    def pick(self, options):
        return options[self.below(len(options))]

    def chance(self, percent: int) -> bool:
        return self.below(100) >= 100 - percent

    def weighted(self, *options):
        """One of (weight, value), simplest first."""
        at = self.below(sum(w for w, _ in options))
        for weight, value in options:
            if at < weight:
                return value
            at -= weight


def shrunk(taken: list, fails, budget: int) -> list:
    """A list from which `fails` still comes, simpler than `taken`; at most `budget` tries."""
    best = list(taken)
    tries = 0

    def attempt(candidate: list) -> bool:
        nonlocal best, tries
        if candidate == best or tries >= budget:
            return False
        tries += 1
        if not fails(candidate):
            return False
        best = candidate
        return True

    again = True
    while again and tries < budget:
        again = False
        size = max(1, len(best) // 2)
        while size >= 1:
            at = 0
            while at < len(best):
                if attempt(best[:at] + best[at + size:]):
                    again = True
                elif any(best[at:at + size]) and size > 1 and \
                        attempt(best[:at] + [0] * len(best[at:at + size]) + best[at + size:]):
                    again = True
                    at += size
                else:
                    at += size
            size //= 2
        for at in range(len(best) - 1, -1, -1):
            if at < len(best) and best[at] > 0:
                again |= attempt(best[:at] + [0] + best[at + 1:]) or \
                    attempt(best[:at] + [best[at] // 2] + best[at + 1:])
    return best


def fewer(items: list, fails, budget: int) -> list:
    """As few of `items` as possible with which `fails` still comes (delta debugging)."""
    best, tries, size = list(items), 0, max(1, len(items) // 2)
    while size >= 1 and tries < budget:
        at = 0
        while at < len(best) and tries < budget:
            tries += 1
            candidate = best[:at] + best[at + size:]
            if fails(candidate):
                best = candidate
            else:
                at += size
        size //= 2
    return best
