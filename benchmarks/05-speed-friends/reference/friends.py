"""Friendships between users, and whom a user may know."""

from collections import Counter, defaultdict
from functools import cached_property


class Friends:
    def __init__(self, store):
        """The store has `pairs()`, an iterator over all friendships as pairs of names, each once, in any order."""
        self.store = store

    def friends_of(self, name):
        """The names of a user's friends, in alphabetical order."""
        return sorted(self._neighbours(name))

    def distance(self, start, end):
        """Friendships between two users on the shortest way; None if there is no way."""
        seen = edge = {start}
        steps = 0
        while edge:
            if end in edge:
                return steps
            edge = {friend for name in edge for friend in self._neighbours(name)} - seen
            seen = seen | edge
            steps += 1
        return None

    def suggestions(self, name, limit=5):
        """Users who are no friends yet, by number of common friends (at least one, most first), then by name."""
        known = self._neighbours(name)
        common = Counter(other for friend in known for other in self._neighbours(friend))
        ranked = sorted((-count, other) for other, count in common.items() if other != name and other not in known)
        return [other for _, other in ranked][:limit]

    def _neighbours(self, name):
        return self._graph.get(name, frozenset())

    @cached_property
    def _graph(self):
        graph = defaultdict(set)
        for a, b in self.store.pairs():
            graph[a].add(b)
            graph[b].add(a)
        return dict(graph)
